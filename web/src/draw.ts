// SPDX-License-Identifier: Apache-2.0
// Draws faces on the picture that they were found in.
import { onPicture } from "./colours";
import { contours, irises } from "./contours";
import type { Face, Row } from "./types";

export type Mesh = "contours" | "points" | "none";

interface Pen {
    on: CanvasRenderingContext2D;
    scale: number; // from the frame's pixels to the canvas's
    unit: number; // canvas pixels in one pixel of the screen
}

const finite = (face: Face, i: number): boolean => {
    const at = face.landmarks[i];
    return at !== undefined && at[0] !== null && at[1] !== null;
};

function drawContours({ on, scale, unit }: Pen, face: Face): void {
    on.lineWidth = 1.1 * unit;
    on.beginPath();
    for (const chain of contours) {
        let begun = false;
        for (const i of chain) {
            if (!finite(face, i)) {
                begun = false;
                continue;
            }
            const [x, y] = face.landmarks[i] as [number, number, number];
            if (begun) on.lineTo(x * scale, y * scale);
            else on.moveTo(x * scale, y * scale);
            begun = true;
        }
    }
    on.stroke();
    on.strokeStyle = "rgb(255 255 255 / 0.85)";
    on.beginPath();
    for (const first of irises) {
        if (![0, 1, 2, 3, 4].every((i) => finite(face, first + i))) continue;
        const p = face.landmarks.slice(first, first + 5) as [number, number, number][];
        const half = (a: number, b: number): [number, number] => [(p[a]![0] - p[b]![0]) / 2, (p[a]![1] - p[b]![1]) / 2];
        const across = half(1, 3), along = half(2, 4);
        const tilt = Math.atan2(across[1], across[0]);
        const [x, y] = p[0]!;
        on.moveTo(x * scale + Math.hypot(...across) * scale * Math.cos(tilt), y * scale + Math.hypot(...across) * scale * Math.sin(tilt));
        on.ellipse(x * scale, y * scale, Math.hypot(...across) * scale, Math.hypot(...along) * scale, tilt, 0, 2 * Math.PI);
    }
    on.stroke();
}

function drawPoints({ on, scale, unit }: Pen, face: Face): void {
    const size = 1.4 * unit;
    for (const [x, y] of face.landmarks) {
        if (x !== null && y !== null) on.fillRect(x * scale - size / 2, y * scale - size / 2, size, size);
    }
}

// The box as four corners, so that it does not hide what it shows.
function drawBox({ on, scale, unit }: Pen, face: Face): void {
    if (face.box.some((v) => v === null)) return;
    const [x, y, width, height] = (face.box as number[]).map((v) => v * scale) as [number, number, number, number];
    const arm = Math.min(width, height) * 0.18;
    on.lineWidth = 2 * unit;
    on.beginPath();
    for (const [cx, cy, dx, dy] of [[x, y, 1, 1], [x + width, y, -1, 1], [x + width, y + height, -1, -1], [x, y + height, 1, -1]] as const) {
        on.moveTo(cx + dx * arm, cy);
        on.lineTo(cx, cy);
        on.lineTo(cx, cy + dy * arm);
    }
    on.stroke();
    const text = String(face.track);
    const tall = 13 * unit;
    on.font = `600 ${tall}px system-ui, sans-serif`;
    on.textBaseline = "middle";
    const wide = on.measureText(text).width + 0.8 * tall;
    const top = Math.max(0, y - 1.55 * tall), left = Math.max(0, Math.min(x, on.canvas.width - wide));
    on.fillRect(left, top, wide, 1.35 * tall);
    on.fillStyle = "#10141a";
    on.fillText(text, left + 0.4 * tall, top + 0.72 * tall);
}

export function drawFaces(on: CanvasRenderingContext2D, row: Row, mesh: Mesh, label = true): void {
    const { canvas } = on;
    const unit = Math.min(3, Math.max(1, canvas.width / (canvas.clientWidth || canvas.width)));
    const pen = { on, scale: canvas.width / row.width, unit };
    for (const face of row.faces) {
        const colour = onPicture(face.track);
        on.strokeStyle = on.fillStyle = colour;
        if (mesh === "points") drawPoints(pen, face);
        if (mesh === "contours") drawContours(pen, face);
        on.strokeStyle = on.fillStyle = colour;
        if (label) drawBox(pen, face);
    }
}

// Makes the canvas as large as the picture, in its own pixels; the style sheet says how large it is shown.
export function fit(canvas: HTMLCanvasElement, width: number, height: number): void {
    if (canvas.width === width && canvas.height === height) return;
    canvas.width = width;
    canvas.height = height;
    canvas.style.setProperty("aspect-ratio", `${width} / ${height}`);
}
