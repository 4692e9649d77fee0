// SPDX-License-Identifier: Apache-2.0
// Requests to the service. A token that the page was opened with, or that was asked for, goes with each.

const patience = 10_000; // ms
const remembered = "faceflow-token";

let token = new URLSearchParams(location.search).get("token") ?? sessionStorage.getItem(remembered) ?? "";

// Kept until the tab is closed, and nowhere else.
export function useToken(given: string): void {
    token = given;
    sessionStorage.setItem(remembered, given);
}

export class ApiError extends Error {
    constructor(
        readonly status: number, // 0: no answer at all
        message: string,
    ) {
        super(message);
    }
}

export function address(path: string, query: Record<string, string> = {}): string {
    const all = new URLSearchParams(token ? { ...query, token } : query).toString();
    return all ? `${path}?${all}` : path;
}

export function socketAddress(path: string, query: Record<string, string>): string {
    return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}${address(path, query)}`;
}

export const sourcePath = (name: string): string => `/v1/sources/${encodeURIComponent(name)}`;
export const runPath = (run: string, file: string): string => `/v1/runs/${encodeURIComponent(run)}/${encodeURIComponent(file)}`;

async function errorOf(answer: Response): Promise<ApiError> {
    let message = `the service answers ${answer.status}`;
    try {
        const body = (await answer.json()) as { error?: { message?: string } };
        message = body.error?.message ?? message;
    } catch {
        // Not the service's own error: something between it and this page.
    }
    return new ApiError(answer.status, message);
}

export async function request(path: string, how: RequestInit = {}): Promise<Response> {
    let answer: Response;
    try {
        answer = await fetch(address(path), how);
    } catch (error) {
        if (error instanceof DOMException && error.name === "AbortError") throw error;
        throw new ApiError(0, "the service does not answer");
    }
    if (!answer.ok) throw await errorOf(answer);
    return answer;
}

// A request whose body and answer are JSON, or whose body is a file.
export async function call<T>(method: string, path: string, body?: unknown, wait = patience): Promise<T> {
    const how: RequestInit = { method, signal: AbortSignal.timeout(wait) };
    if (body !== undefined) how.body = body instanceof Blob ? body : JSON.stringify(body);
    const answer = await request(path, how);
    return (answer.status === 204 ? null : await answer.json()) as T;
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
