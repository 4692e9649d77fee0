/* SPDX-License-Identifier: Apache-2.0 */
/* A viewer for a terminal: the luma of a `faceflow share`, two rows of pixels a line.
 *
 *     faceflow share clip.mp4 --loop & ./faceflow_example_viewer [SOCKET]
 */
#include <faceflow/client.h>

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int luma_at(const ff_plane *p, int column, int row) {
    const unsigned char *at = (const unsigned char *)p->data + (long)row * p->stride +
                              (long)column * p->channels * p->bytes_per_sample;
    /* Of a larger sample the high byte; which bits it has is in the format's name, and enough to see something. */
    return p->bytes_per_sample == 1 ? at[0] : at[1];
}

static void draw(const ff_plane *p, const ff_frame_info *info, int columns, int lines) {
    printf("\033[H");
    for (int y = 0; y < lines; ++y) {
        for (int x = 0; x < columns; ++x) {
            const int column = (int)((long)x * p->width / columns);
            const int top = luma_at(p, column, (int)((long)(2 * y) * p->height / (2 * lines)));
            const int bottom = luma_at(p, column, (int)((long)(2 * y + 1) * p->height / (2 * lines)));
            printf("\033[38;2;%d;%d;%dm\033[48;2;%d;%d;%dm\xe2\x96\x80", top, top, top, bottom, bottom, bottom);
        }
        printf("\033[0m\n");
    }
    printf("source %u frame %llu, %dx%d %s, missed %llu\033[K\n", info->source, (unsigned long long)info->sequence,
           info->width, info->height, info->format, (unsigned long long)info->dropped);
    fflush(stdout);
}

int main(int argc, char **argv) {
    ff_client *client;
    ff_frame *frame;
    int status;
    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
        const int asked = argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
        fprintf(asked ? stdout : stderr,
                "usage: %s [SOCKET]\n"
                "Shows the frames of a faceflow share in the terminal. Without SOCKET, of the share that listens where\n"
                "`faceflow share` does when it is given none.\n",
                argv[0]);
        return asked ? 0 : 2;
    }
    client = ff_client_new();
    status = ff_client_connect(client, argc > 1 ? argv[1] : NULL, NULL);
    while (status >= 0 && (status = ff_next(client, 1000, &frame)) >= 0) {
        ff_frame_info info;
        ff_plane plane;
        struct winsize terminal = {24, 80, 0, 0};
        if (frame == NULL) continue;
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &terminal);
        ff_frame_get_info(frame, &info, sizeof info);
        ff_frame_get_plane(frame, 0, &plane, sizeof plane);
        draw(&plane, &info, terminal.ws_col > 1 ? terminal.ws_col - 1 : 79, terminal.ws_row > 2 ? terminal.ws_row - 2 : 22);
        ff_frame_release(frame);
    }
    if (status != FF_ENDED) fprintf(stderr, "%s\n", ff_last_error(client));
    ff_client_close(client);
    return status == FF_ENDED ? 0 : 1;
}
