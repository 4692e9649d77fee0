// SPDX-License-Identifier: Apache-2.0
// What went wrong, or was done, in one place that screen readers hear.
import { messageOf } from "./api";
import { Store, useStore } from "./store";

interface Notice {
    text: string;
    bad: boolean;
}

const notice = new Store<Notice | null>(null);

const shown = 6000; // ms; what went wrong stays until it is dismissed
let timer = 0;

export function say(text: string): void {
    notice.set({ text, bad: false });
    clearTimeout(timer);
    timer = window.setTimeout(() => notice.value?.text === text && notice.set(null), shown);
}

// Does something that can fail, and says so if it does.
export async function attempt(work: () => Promise<void>): Promise<boolean> {
    try {
        notice.set(null);
        await work();
        return true;
    } catch (error) {
        notice.set({ text: messageOf(error), bad: true });
        return false;
    }
}

export function Notices() {
    const said = useStore(notice);
    return (
        <div class={said ? "notices said" : "notices"}>
            <p role="status">{said && !said.bad && said.text}</p>
            <div role="alert">{said?.bad && <p class="bad">{said.text}</p>}</div>
            {said && <button class="quiet" aria-label="Dismiss the message" onClick={() => notice.set(null)}>Dismiss</button>}
        </div>
    );
}
