// SPDX-License-Identifier: Apache-2.0
// Choices that outlast the page, in this browser alone. One that cannot be kept is not missed.

export function recall<T>(key: string, otherwise: T): T {
    try {
        const kept = localStorage.getItem(`faceflow-${key}`);
        const value: unknown = kept === null ? otherwise : JSON.parse(kept);
        return Array.isArray(value) === Array.isArray(otherwise) && typeof value === typeof otherwise ? (value as T) : otherwise;
    } catch {
        return otherwise;
    }
}

export function remember(key: string, value: unknown): void {
    try {
        localStorage.setItem(`faceflow-${key}`, JSON.stringify(value));
    } catch {
        // A browser that keeps nothing.
    }
}
