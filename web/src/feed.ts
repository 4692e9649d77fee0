// SPDX-License-Identifier: Apache-2.0
// The faces of one source with the picture that they are of: both are in one message, so they cannot get out of step.
import { socketAddress } from "./api";
import type { Row } from "./types";

const first = 500, slowest = 4000; // ms until a lost feed is opened again

export interface Frame {
    row: Row;
    jpeg: Blob;
}

export function unpack(message: ArrayBuffer): Frame {
    const length = new DataView(message).getUint32(0, true);
    const row = JSON.parse(new TextDecoder().decode(new Uint8Array(message, 4, length))) as Row;
    return { row, jpeg: new Blob([new Uint8Array(message, 4 + length)], { type: "image/jpeg" }) };
}

export class Feed {
    private socket: WebSocket | null = null;
    private timer = 0;
    private wait = first;
    private closed = false;

    constructor(
        private readonly source: string,
        private readonly take: (frame: Frame) => void,
    ) {
        this.open();
    }

    private open(): void {
        const socket = new WebSocket(socketAddress("/v1/faces", { source: this.source, preview: "1" }));
        this.socket = socket;
        socket.binaryType = "arraybuffer";
        socket.addEventListener("message", (event: MessageEvent<ArrayBuffer>) => {
            if (this.closed) return;
            this.wait = first;
            this.take(unpack(event.data));
        });
        socket.addEventListener("close", () => {
            if (this.closed) return;
            this.timer = window.setTimeout(() => this.open(), this.wait);
            this.wait = Math.min(2 * this.wait, slowest);
        });
    }

    close(): void {
        this.closed = true;
        clearTimeout(this.timer);
        this.socket?.close();
    }
}
