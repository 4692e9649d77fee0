// SPDX-License-Identifier: Apache-2.0
// A value that components follow.
import { useEffect, useState } from "preact/hooks";

export class Store<T> {
    private readonly followers = new Set<(value: T) => void>();
    constructor(private current: T) {}

    get value(): T {
        return this.current;
    }

    set(next: T): void {
        this.current = next;
        for (const follow of [...this.followers]) follow(next);
    }

    change(part: Partial<T>): void {
        this.set({ ...this.current, ...part });
    }

    follow(follow: (value: T) => void): () => void {
        this.followers.add(follow);
        return () => this.followers.delete(follow);
    }
}

export function useStore<T>(store: Store<T>): T {
    const [value, set] = useState(store.value);
    useEffect(() => {
        set(store.value); // it may have changed between the first drawing and now
        return store.follow(set);
    }, [store]);
    return value;
}
