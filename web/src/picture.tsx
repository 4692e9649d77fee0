// SPDX-License-Identifier: Apache-2.0
// The faces of a picture that a person brings.
import { useRef, useState } from "preact/hooks";
import { call, messageOf } from "./api";
import { drawFaces, fit } from "./draw";
import { bytes, faces, fixed } from "./format";
import { Swatch } from "./tile";
import type { Row, Value } from "./types";

const widest = 1600; // px of what is shown
const patience = 60_000; // ms
const largest = 32 << 20; // bytes that the service takes

const degrees = (v: Value): string => (v === null ? "–" : `${fixed(v, 1)}°`);

export function PictureView() {
    const canvas = useRef<HTMLCanvasElement>(null);
    const asked = useRef(0);
    const [row, show] = useState<Row | null>(null);
    const [said, say] = useState("");
    const [bad, setBad] = useState("");
    const [over, setOver] = useState(false);

    const look = async (file: File | undefined) => {
        if (!file) return;
        const turn = ++asked.current; // a later picture may be answered first
        show(null);
        setBad("");
        say(`Looking at ${file.name} …`);
        try {
            if (file.size > largest) throw new Error(`${file.name} has ${bytes(file.size)}; the service takes ${bytes(largest)} at most`);
            const found = await call<Row>("POST", "/v1/faces", file, patience);
            const picture = await createImageBitmap(file).catch(() => null); // the service reads more formats than browsers do
            if (turn !== asked.current) return;
            const shrink = Math.min(1, widest / found.width);
            fit(canvas.current!, Math.round(found.width * shrink), Math.round(found.height * shrink));
            const on = canvas.current!.getContext("2d")!;
            if (picture) on.drawImage(picture, 0, 0, on.canvas.width, on.canvas.height);
            show(found);
            say(`${faces(found.faces.length)} in ${file.name}`);
            // Once it is laid out: how thick lines are depends on how large it is shown.
            requestAnimationFrame(() => drawFaces(on, found, "contours"));
        } catch (error) {
            if (turn !== asked.current) return;
            say("");
            setBad(messageOf(error));
        }
    };

    return (
        <>
            <div class="title"><h1 tabIndex={-1}>A picture</h1></div>
            <div class={over ? "drop over" : "drop"}
                onDragOver={(event) => {
                    event.preventDefault();
                    setOver(true);
                }}
                onDragLeave={() => setOver(false)}
                onDrop={(event) => {
                    event.preventDefault();
                    setOver(false);
                    look(event.dataTransfer?.files[0]);
                }}>
                <label>Choose a picture, or drop one here
                    <input type="file" id="picture" accept="image/*" onChange={(event) => look(event.currentTarget.files?.[0])} />
                </label>
                <p class="soft small">It goes to this service alone, is looked at in memory, and is not kept.</p>
            </div>
            <p role="status" id="picture-faces">{said}</p>
            <div role="alert">{bad && <p class="bad">{bad}</p>}</div>
            <div class={row ? "large" : "large hidden"}>
                <div class="panel frame">
                    <canvas ref={canvas} class="picture" role="img" aria-label={row ? faces(row.faces.length) : "no picture"} data-faces={row?.faces.length} />
                </div>
                {row && row.faces.length > 0 && (
                    <section class="panel" aria-labelledby="found-title">
                        <h2 id="found-title">Faces</h2>
                        <table>
                            <thead><tr><th scope="col">face</th><th scope="col">score</th><th scope="col">yaw</th><th scope="col">pitch</th><th scope="col">roll</th></tr></thead>
                            <tbody>
                                {row.faces.map((f) => (
                                    <tr key={f.track}>
                                        <th scope="row"><Swatch track={f.track} />{f.track}</th>
                                        <td>{f.score === null ? "–" : fixed(f.score, 2)}</td>
                                        <td>{degrees(f.pose.yaw)}</td><td>{degrees(f.pose.pitch)}</td><td>{degrees(f.pose.roll)}</td>
                                    </tr>
                                ))}
                            </tbody>
                        </table>
                    </section>
                )}
            </div>
        </>
    );
}
