// SPDX-License-Identifier: Apache-2.0
// Numbers as people read them.

export function bytes(n: number): string {
    if (n < 1e3) return `${Math.round(n)} B`;
    if (n < 1e6) return `${(n / 1e3).toFixed(n < 1e5 ? 1 : 0)} kB`;
    return n < 1e9 ? `${(n / 1e6).toFixed(2)} MB` : `${(n / 1e9).toFixed(2)} GB`;
}

export const faces = (n: number): string => (n === 1 ? "1 face" : `${n} faces`);

export const whole = (n: number): string => Math.round(n).toLocaleString("en").replaceAll(",", "\u202f");

export const counted = (n: number, what: string): string => `${perFrame(n)} ${what}${perFrame(n) === "1" ? "" : "s"}`;

// A count of one frame: 1, 7, 0.98.
export const perFrame = (n: number): string => (Math.abs(n - Math.round(n)) < 0.005 ? String(Math.round(n)) : n.toFixed(2));

// Degrees and ratios, with a true minus and no "-0".
export function fixed(n: number, decimals: number): string {
    const text = n.toFixed(decimals);
    return Number(text) === 0 ? (0).toFixed(decimals) : text.replace("-", "\u2212");
}

// 75.4 s: "1:15.4"
export function clock(seconds: number, decimals = 1): string {
    const unit = 10 ** decimals;
    const rounded = Math.round(Math.abs(seconds) * unit) / unit;
    const hours = Math.floor(rounded / 3600), minutes = Math.floor((rounded % 3600) / 60);
    const rest = (rounded % 60).toFixed(decimals).padStart(decimals ? 3 + decimals : 2, "0");
    const text = hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
    return seconds < 0 ? `\u2212${text}` : text;
}

export function moment(iso: string): string {
    const at = new Date(iso);
    return Number.isNaN(at.valueOf()) ? iso : at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}
