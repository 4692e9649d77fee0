// SPDX-License-Identifier: Apache-2.0
// A colour for each track: on pictures the one that faceflow draws with (src/media/overlay.cpp), in plots on light paper a darker one.

const bright = ["#3ddc97", "#4cc9f0", "#ffb703", "#ff6b6b", "#b388ff", "#c6f432", "#ff7ac6", "#ff8c42", "#2ed6c4", "#6c9bff", "#ffe45e", "#e678f5"];
const deep = ["#0f8a57", "#0b7fa6", "#a86b00", "#c93434", "#7446d6", "#5f7d00", "#c2317f", "#b8520f", "#0a8277", "#2f62d9", "#8a7400", "#a52fb8"];

const of = (palette: string[], track: number): string => palette[(((track - 1) % 12) + 12) % 12] ?? "#d0d4da";

export const onPicture = (track: number): string => of(bright, track);

const dark = window.matchMedia("(prefers-color-scheme: dark)");
export const onPaper = (track: number): string => of(dark.matches ? bright : deep, track);

export function onTheme(change: () => void): () => void {
    dark.addEventListener("change", change);
    return () => dark.removeEventListener("change", change);
}

// A colour of the style sheet, for what is drawn on a canvas.
export const ofStyle = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
