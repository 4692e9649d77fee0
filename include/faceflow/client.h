/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of a `faceflow share`, in place, for any program: C, and nothing behind it but the C and C++ runtimes.
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
 * A frame is a lease on memory that the server has written once and that is mapped here for reading: nothing is copied, and
 * to write there is a fault. Release frames soon: a client that holds all its leases misses the frames that come.
 *
 * Threads: one thread at a time in ff_client_connect and ff_next of a client; everything that takes a frame is for any thread.
 * There are no globals: clients do not know of one another. No function raises SIGPIPE or installs a handler.
 *
 * fork: leases stay with the process that connected. In a child, ff_next returns FF_E_ARGUMENT, and releasing frames and closing the
 * client gives nothing back; what the parent holds is readable for as long as the parent holds it. A child connects anew.
 */
#ifndef FACEFLOW_CLIENT_H
#define FACEFLOW_CLIENT_H

/* NOLINTBEGIN(modernize-*): this is C. */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What functions return: 0 or more is no error. Errors are final for the connection but for FF_E_ARGUMENT. */
enum ff_status {
    FF_OK = 0,
    FF_TIMEOUT = 1, /* no frame came in time */
    FF_E_ARGUMENT = -1,
    FF_E_NOT_FOUND = -2, /* nobody shares frames at that path */
    FF_E_VERSION = -3,   /* the server speaks another version; the message says which */
    FF_E_REFUSED = -4,   /* the server has no slots left, does not answer, or is another user's */
    FF_E_CORRUPT = -5,   /* what came makes no sense */
    FF_E_IO = -6,        /* the system's reason is in the message */
    FF_E_NO_MEMORY = -7, /* or no address space to map frames into */
    FF_E_LOST = -8,      /* the server is gone without a word */
    FF_ENDED = -9        /* the server's sources have ended: the ordinary end */
};

enum ff_policy {
    FF_LATEST = 0, /* the newest frame; older ones that were not read make room. For whoever watches. */
    FF_FIFO = 1    /* frames in order; newer ones are dropped while all leases are out. For whoever records. */
};

typedef struct ff_client ff_client;
typedef struct ff_frame ff_frame;

/* All zero: the defaults. */
typedef struct ff_options {
    uint32_t leases;    /* frames held or waiting at a time, 1 to 64; 0: 4. The server may grant fewer. */
    uint32_t policy;    /* enum ff_policy */
    int32_t timeout_ms; /* of connecting; 0: 5000 */
    /* 0: ff_next sleeps until a frame comes. 1: it is awake by then. It learns the beat of each source from 8 frames, sleeps until
     * shortly before the next is due, and then looks for it on the calling thread without sleeping: the wake-up, most of the time
     * that a frame takes to a sleeper, is over before the frame comes, and the server makes no system call. It looks for 1 ms at most
     * for a frame, and for 5 % of the time in the long run; where that is not enough, it sleeps as without: while it learns, at
     * sources that are irregular or faster than some 200 frames a second, after a stop. Frames are the same ones either way. Leave it
     * at 0 where server and client have one core between them. */
    uint32_t anticipate;
    uint32_t reserved[4];
} ff_options;

typedef struct ff_frame_info {
    uint32_t source;      /* with sequence: the frame's id */
    uint32_t planes;      /* number of */
    uint64_t sequence;    /* grows within a source */
    int64_t pts_ns;       /* from the start of the source */
    int64_t captured_ns;  /* CLOCK_MONOTONIC */
    int64_t announced_ns; /* CLOCK_MONOTONIC, when it was complete and about to be told of */
    uint64_t dropped;     /* frames of all sources that this client missed between its last frame and this one */
    int32_t width;        /* pixels of the stored picture */
    int32_t height;
    int32_t turn;         /* degrees clockwise that make it upright: 0, 90, 180, 270 */
    uint32_t mirrored;    /* 1: after the turn, left and right change places */
    const char* format;   /* "nv12", "i420", "bgr24", ...; static, as the next two */
    const char* matrix;   /* "rgb", "bt601", "bt709", "bt2020" */
    const char* range;    /* "limited", "full" */
    int32_t square_width; /* columns that the stored picture would have in square pixels; width where they are square */
    uint32_t reserved;
} ff_frame_info;

/* Row r begins at (const char *)data + r * stride. 16-bit samples are little-endian. */
typedef struct ff_plane {
    const void* data;
    int32_t width;            /* columns of this plane; chroma planes are smaller than the picture */
    int32_t height;           /* rows */
    int32_t stride;           /* bytes from one row to the next */
    int32_t channels;         /* samples in a column, interleaved: 2 for the UV of NV12, 3 for BGR24 */
    int32_t bytes_per_sample; /* 1 or 2 */
} ff_plane;

/* Where a frame lies, for mapping it once more: into another process, or for a GPU. */
typedef struct ff_memory {
    int fd;          /* readable only; the client's, good until its last frame is released after ff_client_close */
    uint64_t offset; /* of the frame in the memory behind fd */
    uint64_t bytes;  /* of the frame */
} ff_memory;

typedef struct ff_stats {
    uint64_t frames;  /* that ff_next gave */
    uint64_t dropped; /* that it missed, as known with the last of them */
    uint32_t leases;  /* granted */
    uint32_t held;    /* frames that are not released */
    uint32_t sources; /* of the server */
    uint32_t client;  /* the server's number for this one */
    /* With ff_options.anticipate: */
    uint64_t met;        /* times that a frame came while ff_next looked for one */
    uint64_t looking_ns; /* how long it has looked, all together */
} ff_stats;

/* NULL when out of memory. */
ff_client* ff_client_new(void);

/* `path`: the server's socket, NULL: where `faceflow share` listens without --socket. `options` may be NULL. Once for a client;
 * after an error, close it and make a new one. */
int ff_client_connect(ff_client* client, const char* path, const ff_options* options);

/* Waits for the next frame, so many milliseconds at most (0: not at all, < 0: for ever). FF_OK: *frame is the caller's, to
 * be released. Else *frame is NULL. Frames that came before the end are given before FF_ENDED or FF_E_LOST is. */
int ff_next(ff_client* client, int timeout_ms, ff_frame** frame);

/* For poll: readable when ff_next may have something to do. The client's; -1 when it is not connected. */
int ff_client_descriptor(const ff_client* client);

/* Of the last call that returned an error or FF_TIMEOUT; valid until the next. Never NULL. For the thread that called. */
const char* ff_last_error(const ff_client* client);

/* Fills the first `size` bytes; pass sizeof(ff_stats). For the thread that calls ff_next. */
int ff_client_get_stats(const ff_client* client, ff_stats* stats, size_t size);

/* Frames that are still held stay valid: their leases last until they are released. NULL is allowed. */
void ff_client_close(ff_client* client);

/* Pass the struct's size. FF_E_ARGUMENT for a plane that the frame has not. */
int ff_frame_get_info(const ff_frame* frame, ff_frame_info* info, size_t size);
int ff_frame_get_plane(const ff_frame* frame, uint32_t plane, ff_plane* out, size_t size);
int ff_frame_get_memory(const ff_frame* frame, ff_memory* out, size_t size);

/* The plane as a tensor of DLPack 0.8 (dlpack.h of any project declares struct DLManagedTensor): kDLCPU, unsigned, rows x columns
 * or rows x columns x channels, in place. It keeps the lease until its deleter is called, also when the frame is released before.
 * NULL for a plane that the frame has not, or without memory. DLPack 0.8 cannot say that the memory is read-only: do not write. */
struct DLManagedTensor* ff_frame_plane_dlpack(ff_frame* frame, uint32_t plane);

/* Another holder of the same frame, to be released as well. */
ff_frame* ff_frame_retain(ff_frame* frame);

/* Gives the lease back once nobody holds it; from then on the server may write there. NULL is allowed. */
void ff_frame_release(ff_frame* frame);

#ifdef __cplusplus
}
#endif
/* NOLINTEND(modernize-*) */
#endif
