// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

interface Props {
    title: string;
    action: string; // what the button does
    danger?: boolean;
    children: ComponentChildren;
    onDone: () => void;
    onClose: () => void;
}

// A modal dialog: the browser keeps the focus in it, gives it back, and closes it with Escape.
export function Dialog({ title, action, danger = false, children, onDone, onClose }: Props) {
    const at = useRef<HTMLDialogElement>(null);
    useEffect(() => {
        at.current!.showModal();
    }, []);
    return (
        <dialog ref={at} aria-labelledby="dialog-title" onClose={onClose}>
            <form onSubmit={(event) => {
                event.preventDefault();
                onDone();
                at.current!.close();
            }}>
                <h2 id="dialog-title">{title}</h2>
                {children}
                <div class="do end">
                    <button type="button" onClick={() => at.current!.close()}>Cancel</button>
                    <button class={danger ? "danger" : "main"}>{action}</button>
                </div>
            </form>
        </dialog>
    );
}
