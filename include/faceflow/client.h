/* SPDX-License-Identifier: Apache-2.0 */
/* Zero-copy access to the frames of `faceflow share`, for any program: a C interface that needs only the C and C++
 * runtimes.
 *
 *     ff_client *c = ff_client_new();
 *     if (ff_client_connect(c, NULL, NULL) != FF_OK) return fprintf(stderr, "%s\n", ff_last_error(c)), 1;
 *     ff_frame *f;
 *     while (ff_next(c, 1000, &f) >= 0) {
 *         ff_plane luma;
 *         if (f == NULL) continue;
 *         if (ff_frame_get_plane(f, 0, &luma, sizeof luma) == FF_OK) printf("%d x %d\n", luma.width, luma.height);
 *         ff_frame_release(f);
 *     }
 *     ff_client_close(c);
 *
 * A frame is a lease on memory that the server has written and that is mapped here read-only: nothing is copied, and
 * writing to it faults. Release frames soon: a client that holds all of its leases misses new frames.
 *
 * Threads: call ff_client_connect and ff_next of one client from one thread at a time; functions that take a frame may
 * be called from any thread. There are no globals: clients are independent of one another. No function raises SIGPIPE
 * or installs a signal handler.
 *
 * fork: leases stay with the process that connected. In a child, ff_next returns FF_E_ARGUMENT, and releasing frames or
 * closing the client returns no lease; frames stay readable for as long as the parent holds them. A child that needs
 * frames makes its own connection.
 */
#ifndef FACEFLOW_CLIENT_H
#define FACEFLOW_CLIENT_H

/* NOLINTBEGIN(modernize-*): this is C. */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Return values: 0 or more is success. After any error but FF_E_ARGUMENT the connection is unusable. */
enum ff_status {
    FF_OK = 0,
    FF_TIMEOUT = 1, /* no frame came in time */
    FF_E_ARGUMENT = -1,
    FF_E_NOT_FOUND = -2, /* no server listens at that path */
    FF_E_VERSION = -3,   /* the server uses another protocol version; the message says which */
    FF_E_REFUSED = -4,   /* no free slots, no answer, or another user's server */
    FF_E_CORRUPT = -5,   /* the server sent invalid data */
    FF_E_IO = -6,        /* a system call failed; the message says why */
    FF_E_NO_MEMORY = -7, /* or no address space to map frames into */
    FF_E_LOST = -8,      /* the server died or closed the connection without ending */
    FF_ENDED = -9        /* the server's sources have ended: the normal end */
};

enum ff_policy {
    FF_LATEST = 0, /* the newest frame; unread older ones are dropped to make room. For display. */
    FF_FIFO = 1    /* frames in order; new ones are dropped while all leases are held. For recording. */
};

typedef struct ff_client ff_client;
typedef struct ff_frame ff_frame;

/* All zero selects the defaults. */
typedef struct ff_options {
    uint32_t leases;    /* frames held or queued at a time, 1 to 64; 0: 4. The server may grant fewer. */
    uint32_t policy;    /* enum ff_policy */
    int32_t timeout_ms; /* for connecting; 0: 5000 */
    /* 0: ff_next sleeps until a frame comes. 1: ff_next predicts the next frame and is awake by then. It learns the
     * interval of each source from 8 frames, sleeps until shortly before the next is due, then polls for it on the
     * calling thread. This hides the wake-up, which is most of the latency that a sleeping client sees, and saves
     * the server a system call. It polls for at most 1 ms per frame and 5 % of the time on average. Otherwise it
     * sleeps as with 0: while it learns, for irregular sources or ones above some 200 frames a second, and after a
     * pause. The frames are the same either way. Leave it at 0 where server and client share a single core. */
    uint32_t anticipate;
    uint32_t reserved[4];
} ff_options;

typedef struct ff_frame_info {
    uint32_t source;      /* together with sequence, the frame id */
    uint32_t planes;      /* number of planes */
    uint64_t sequence;    /* grows within a source */
    int64_t pts_ns;       /* since the start of the source */
    int64_t captured_ns;  /* CLOCK_MONOTONIC */
    int64_t announced_ns; /* CLOCK_MONOTONIC, when the frame was complete and about to be announced */
    uint64_t dropped;     /* frames, of all sources, that this client missed since its previous frame */
    int32_t width;        /* pixels of the stored picture */
    int32_t height;
    int32_t turn;         /* clockwise turn that makes it upright, in degrees: 0, 90, 180, 270 */
    uint32_t mirrored;    /* 1: mirror left to right after the turn */
    const char* format;   /* "nv12", "i420", "bgr24", ...; a static string, as are the next two */
    const char* matrix;   /* "rgb", "bt601", "bt709", "bt2020" */
    const char* range;    /* "limited", "full" */
    int32_t square_width; /* columns the picture would have in square pixels; width if they are square */
    uint32_t reserved;
} ff_frame_info;

/* Row r begins at (const char *)data + r * stride. 16-bit samples are little-endian. */
typedef struct ff_plane {
    const void* data;
    int32_t width;            /* columns of this plane; chroma planes are smaller than the picture */
    int32_t height;           /* rows */
    int32_t stride;           /* bytes from one row to the next */
    int32_t channels;         /* interleaved samples per column: 2 for the UV of NV12, 3 for BGR24 */
    int32_t bytes_per_sample; /* 1 or 2 */
} ff_plane;

/* Where a frame lies, to map it again: into another process, or for a GPU. */
typedef struct ff_memory {
    int fd;          /* read-only; owned by the client, open until its last frame is released after ff_client_close */
    uint64_t offset; /* of the frame within the memory behind fd */
    uint64_t bytes;  /* of the frame */
} ff_memory;

typedef struct ff_stats {
    uint64_t frames;  /* that ff_next returned */
    uint64_t dropped; /* missed, as of the last returned frame */
    uint32_t leases;  /* granted */
    uint32_t held;    /* frames not yet released */
    uint32_t sources; /* of the server */
    uint32_t client;  /* the server's number for this client */
    /* With ff_options.anticipate: */
    uint64_t met;        /* frames that arrived while ff_next polled */
    uint64_t looking_ns; /* total time spent polling */
} ff_stats;

/* NULL when out of memory. */
ff_client* ff_client_new(void);

/* `path`: the server's socket; NULL: the default of `faceflow share` without --socket. `options` may be NULL. Call
 * it once per client; after an error, close the client and make a new one. */
int ff_client_connect(ff_client* client, const char* path, const ff_options* options);

/* Waits up to timeout_ms for the next frame (0: does not wait; < 0: waits for ever). On FF_OK, *frame belongs to the
 * caller, who releases it; otherwise *frame is NULL. Frames that came before the end are returned before FF_ENDED or
 * FF_E_LOST is. */
int ff_next(ff_client* client, int timeout_ms, ff_frame** frame);

/* For poll(): readable when ff_next may have work. The client owns the descriptor; -1 if it is not connected. */
int ff_client_descriptor(const ff_client* client);

/* The message of the last call that returned an error or FF_TIMEOUT; valid until the next such call. Never NULL.
 * Call it on the thread that made the failed call. */
const char* ff_last_error(const ff_client* client);

/* Fills the first `size` bytes of `stats`; pass sizeof(ff_stats). Call it on the thread that calls ff_next. */
int ff_client_get_stats(const ff_client* client, ff_stats* stats, size_t size);

/* Frames still held stay valid: each lease lasts until its frame is released. NULL is allowed. */
void ff_client_close(ff_client* client);

/* `size` is the size of the struct. FF_E_ARGUMENT if the frame has no such plane. */
int ff_frame_get_info(const ff_frame* frame, ff_frame_info* info, size_t size);
int ff_frame_get_plane(const ff_frame* frame, uint32_t plane, ff_plane* out, size_t size);
int ff_frame_get_memory(const ff_frame* frame, ff_memory* out, size_t size);

/* The plane as a DLPack 0.8 tensor, without a copy (any dlpack.h declares struct DLManagedTensor): kDLCPU, unsigned,
 * rows x columns or rows x columns x channels. The tensor holds the lease until its deleter is called, even if the
 * frame is released earlier. NULL if the frame has no such plane or memory runs out. DLPack 0.8 cannot mark memory
 * read-only: do not write to it. */
struct DLManagedTensor* ff_frame_plane_dlpack(ff_frame* frame, uint32_t plane);

/* Adds a reference to the frame; the returned frame must be released as well. */
ff_frame* ff_frame_retain(ff_frame* frame);

/* Drops a reference; the last one returns the lease, after which the server may overwrite the frame. NULL is
 * allowed. */
void ff_frame_release(ff_frame* frame);

#ifdef __cplusplus
}
#endif
/* NOLINTEND(modernize-*) */
#endif
