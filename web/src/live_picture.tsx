// SPDX-License-Identifier: Apache-2.0
// A source's preview with the faces of the same frame drawn on it.
import { useEffect, useRef } from "preact/hooks";
import { type Mesh, drawFaces, fit } from "./draw";
import { Feed, type Frame } from "./feed";
import type { Row } from "./types";

interface Props {
    source: string;
    label: string;
    mesh: Mesh;
    // Rows also come while nobody sees the picture; otherwise the service is left in peace then.
    always?: boolean;
    onRow: (row: Row) => void;
}

export function LivePicture({ source, label, mesh, always = false, onRow }: Props) {
    const at = useRef<HTMLCanvasElement>(null);
    const now = useRef({ mesh, onRow });
    now.current = { mesh, onRow };

    useEffect(() => {
        const canvas = at.current!;
        let feed: Feed | null = null, seen = false, decoding = false, ended = false;

        const take = async ({ row, jpeg }: Frame) => {
            now.current.onRow(row);
            if (decoding || !seen || document.hidden) return;
            decoding = true;
            try {
                const picture = await createImageBitmap(jpeg);
                if (!ended) {
                    fit(canvas, picture.width, picture.height);
                    const on = canvas.getContext("2d")!;
                    on.drawImage(picture, 0, 0);
                    drawFaces(on, row, now.current.mesh);
                    canvas.dataset.sequence = String(row.sequence);
                    canvas.dataset.faces = String(row.faces.length);
                }
                picture.close();
            } catch {
                // A picture that does not decode; the next one will.
            }
            decoding = false;
        };
        // A preview costs the service something only while there is a viewer.
        const decide = () => {
            const wanted = always || (seen && !document.hidden);
            if (wanted && !feed) feed = new Feed(source, take);
            if (!wanted && feed) {
                feed.close();
                feed = null;
            }
        };
        const watcher = new IntersectionObserver((entries) => {
            seen = entries.at(-1)!.isIntersecting;
            decide();
        }, { rootMargin: "100px" });
        watcher.observe(canvas);
        document.addEventListener("visibilitychange", decide);
        decide();
        return () => {
            ended = true;
            watcher.disconnect();
            document.removeEventListener("visibilitychange", decide);
            feed?.close();
        };
    }, [source, always]);

    return <canvas ref={at} class="picture" role="img" aria-label={label} width={640} height={360} />;
}
