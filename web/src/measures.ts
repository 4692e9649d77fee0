// SPDX-License-Identifier: Apache-2.0
// What a face's row measures: docs/output.md has the meanings and units.
import type { Face, Value } from "./types";

export interface Measure {
    key: string; // the column in exports
    label: string;
    unit: string;
    group: string;
    decimals: number;
    read: (face: Face) => Value;
}

const mean = (a: Value | undefined, b: Value | undefined): Value =>
    a === null || a === undefined || b === null || b === undefined ? null : (a + b) / 2;

const known: Record<string, [label: string, group: string, unit: string, decimals: number]> = {
    eye_open_right: ["Right eye open", "Eyes", "", 3],
    eye_open_left: ["Left eye open", "Eyes", "", 3],
    mouth_open: ["Mouth open", "Mouth and brows", "", 3],
    smile_width: ["Smile width", "Mouth and brows", "", 3],
    brow_right: ["Right brow", "Mouth and brows", "", 3],
    brow_left: ["Left brow", "Mouth and brows", "", 3],
    gaze_right_yaw: ["Right gaze, yaw", "Gaze", "°", 1],
    gaze_right_pitch: ["Right gaze, pitch", "Gaze", "°", 1],
    gaze_left_yaw: ["Left gaze, yaw", "Gaze", "°", 1],
    gaze_left_pitch: ["Left gaze, pitch", "Gaze", "°", 1],
    gaze_camera_right_yaw: ["Right gaze to camera, yaw", "Gaze", "°", 1],
    gaze_camera_right_pitch: ["Right gaze to camera, pitch", "Gaze", "°", 1],
    gaze_camera_left_yaw: ["Left gaze to camera, yaw", "Gaze", "°", 1],
    gaze_camera_left_pitch: ["Left gaze to camera, pitch", "Gaze", "°", 1],
    yaw_rate: ["Yaw rate", "Turning", "°/s", 1],
    pitch_rate: ["Pitch rate", "Turning", "°/s", 1],
    roll_rate: ["Roll rate", "Turning", "°/s", 1],
    turn_rate: ["Turn rate", "Turning", "°/s", 1],
    facing: ["Facing", "Picture", "", 2],
    brightness: ["Brightness", "Picture", "", 0],
    contrast: ["Contrast", "Picture", "", 0],
    sharpness: ["Sharpness", "Picture", "", 0],
};

const always: Measure[] = [
    { key: "yaw", label: "Yaw", unit: "°", group: "Head pose", decimals: 1, read: (f) => f.pose.yaw },
    { key: "pitch", label: "Pitch", unit: "°", group: "Head pose", decimals: 1, read: (f) => f.pose.pitch },
    { key: "roll", label: "Roll", unit: "°", group: "Head pose", decimals: 1, read: (f) => f.pose.roll },
    {
        key: "eye_open", label: "Eyes open", unit: "", group: "Eyes", decimals: 3,
        read: (f) => mean(f.measures?.eye_open_right, f.measures?.eye_open_left),
    },
    { key: "presence", label: "Presence", unit: "", group: "Picture", decimals: 2, read: (f) => f.presence ?? null },
    { key: "score", label: "Score", unit: "", group: "Picture", decimals: 2, read: (f) => f.score },
];

export const atFirst = ["yaw", "pitch", "eye_open", "mouth_open"];

// eyeBlinkLeft: "Eye blink left"
function spaced(name: string): string {
    const words = name.replaceAll("_", " ").replace(/([A-Z])/g, " $1").trim().toLowerCase();
    return words.charAt(0).toUpperCase() + words.slice(1);
}

// The measures that rows with such a face have. A name that this page does not know is shown as it is.
export function measuresOf(face: Face): Measure[] {
    const all = [...always];
    for (const key of Object.keys(face.measures ?? {})) {
        const [label, group, unit, decimals] = known[key] ?? [spaced(key), "Other", "", 3];
        all.push({ key, label, group, unit, decimals, read: (f) => f.measures?.[key] ?? null });
    }
    for (const key of Object.keys(face.changes ?? {})) {
        const label = `${known[key]?.[0] ?? spaced(key)}, change`;
        all.push({ key: `${key}_change`, label, group: "Change from the baseline", unit: "", decimals: 3, read: (f) => f.changes?.[key] ?? null });
    }
    for (const key of Object.keys(face.openface ?? {}))
        all.push({ key, label: key, group: "OpenFace's pose", unit: "", decimals: 3, read: (f) => f.openface?.[key] ?? null });
    for (const key of Object.keys(face.blendshapes ?? {}))
        all.push({ key, label: spaced(key), group: "Blendshapes", unit: "", decimals: 3, read: (f) => f.blendshapes?.[key] ?? null });
    const order = [...new Set(all.map((m) => m.group))];
    return all.sort((a, b) => order.indexOf(a.group) - order.indexOf(b.group));
}
