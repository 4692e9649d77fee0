// SPDX-License-Identifier: Apache-2.0
// What the service's API answers with: docs/schema/openapi.json and docs/schema/faces.schema.json.

export type SourceState = "opening" | "running" | "paused" | "retrying" | "ended";

export interface Source {
    name: string;
    input: string;
    state: SourceState;
    message: string;
    loop: boolean;
    width: number;
    height: number;
    frames_per_second: number;
    latency_ms: number;
    frames: number;
    faces: number;
    dropped: number;
    errors: number;
    reconnects: number;
    // Absent from a service that records nothing.
    recording?: Recording | null;
}

export interface Recording {
    run: string;
    seconds: number;
    frames: number;
    dropped?: number;
    message?: string; // why nothing is written now
}

// A number that a model could not give is null.
export type Value = number | null;

export interface Face {
    track: number;
    score: Value;
    box: [Value, Value, Value, Value];
    landmarks: [Value, Value, Value][];
    pose: { yaw: Value; pitch: Value; roll: Value };
    presence?: Value;
    measures?: Record<string, Value>;
    blendshapes?: Record<string, Value>;
    changes?: Record<string, Value>;
    openface?: Record<string, Value>;
}

export interface Row {
    input: string;
    sequence: number;
    pts: number; // s
    width: number;
    height: number;
    faces: Face[];
}

export interface Marker {
    text: string;
    pts_ns: number;
    sequence: number;
}

export interface Transfers {
    count: number;
    bytes: number;
    pinned_count: number;
}

export interface StageLedger {
    host_to_device: Transfers;
    device_to_host: Transfers;
    syncs: number;
}

export const stages = ["capture", "detect", "region", "landmark", "track", "sink"] as const;
export type Stage = (typeof stages)[number];

export interface Latency {
    count: number;
    mean_ms: number;
    p50_ms: number;
    p95_ms: number;
    p99_ms: number;
}

export interface DeviceStatistics {
    description: string;
    pool_bytes: number;
    pool_peak_bytes: number;
    pool_cap_bytes: number;
    stages: Record<Stage, StageLedger>;
}

export interface CacheCounts {
    hits: number;
    misses: number;
    evictions: number;
    expirations: number;
    frames: number;
    bytes: number;
}

export interface Statistics {
    version: string;
    uptime_seconds: number;
    flow: string;
    frames: number;
    faces: number;
    dropped: Record<string, number>;
    errors: Record<string, number>;
    latency: Latency;
    stages: Record<Stage, Latency>;
    cache: CacheCounts;
    devices: DeviceStatistics[];
}

export type OptionValue = string | number | boolean;

export interface OptionOfEngine {
    value: OptionValue;
    help: string;
    words?: string[];
    least?: number;
    most?: number;
}

export type Options = Record<string, OptionOfEngine>;

export interface RunFile {
    name: string;
    bytes: number;
}

export interface Run {
    name: string;
    source: string;
    started: string; // ISO 8601, UTC
    seconds: number;
    frames: number;
    open?: boolean; // it is being written
    files: RunFile[];
}
