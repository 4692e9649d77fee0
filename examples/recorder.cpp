// SPDX-License-Identifier: Apache-2.0
// Records a `faceflow share` as raw video: Y4M for I420 (any player and ffmpeg read it), else the bare planes of each frame.
//
//     ./faceflow_example_recorder clip.y4m [SOCKET] [FPS]
#include <faceflow/client.hpp>

#include <cstdio>
#include <cstring>
#include <string>

namespace {

using faceflow::client::frame;

void write_planes(const frame& f, const ff_frame_info& info, std::FILE* to) {
    for (std::uint32_t i = 0; i < info.planes; ++i) {
        const ff_plane p = f.plane(i);
        const auto row_bytes = static_cast<std::size_t>(p.width * p.channels * p.bytes_per_sample);
        for (int row = 0; row < p.height; ++row)
            std::fwrite(static_cast<const char*>(p.data) + std::ptrdiff_t{row} * p.stride, 1, row_bytes, to);
    }
}

int record(const char* path, const char* socket, const char* fps) {
    ff_options options{};
    options.policy = FF_FIFO;
    options.leases = 16;
    faceflow::client::connection share(socket, options);
    std::FILE* const file = std::fopen(path, "wb");
    if (file == nullptr) return std::perror(path), 1;
    bool y4m = false;
    while (!share.ended()) {
        const auto f = share.next(std::chrono::seconds(1));
        if (!f) continue;
        const ff_frame_info info = f->info();
        if (info.source != 0) continue;
        if (share.stats().frames == 1) {
            y4m = std::strcmp(info.format, "i420") == 0;
            if (y4m) std::fprintf(file, "YUV4MPEG2 W%d H%d F%s:1 Ip A1:1 C420mpeg2\n", info.width, info.height, fps);
            std::printf("%s, %dx%d, %s, %s\n", info.format, info.width, info.height, info.matrix, info.range);
        }
        if (y4m) std::fputs("FRAME\n", file);
        write_planes(*f, info, file);
    }
    const bool whole = std::ferror(file) == 0 && std::fclose(file) == 0;
    std::printf("%llu frames, %llu missed\n", static_cast<unsigned long long>(share.stats().frames),
                static_cast<unsigned long long>(share.stats().dropped));
    return whole ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2 || argc > 4 || argv[1][0] == '-') {
        const bool asked = argc == 2 && (std::strcmp(argv[1], "--help") == 0 || std::strcmp(argv[1], "-h") == 0);
        std::fprintf(
            asked ? stdout : stderr,
            "usage: %s FILE [SOCKET] [FPS]\n"
            "Records source 0 of a faceflow share until it ends: as Y4M for I420 frames, at FPS (25) frames a\n"
            "second, else as bare planes. Without SOCKET, of the share that listens where `faceflow share`\n"
            "does when it is given none.\n",
            argv[0]);
        return asked ? 0 : 2;
    }
    try {
        return record(argv[1], argc > 2 ? argv[2] : "", argc > 3 ? argv[3] : "25");
    } catch (const std::exception& e) {
        return std::fprintf(stderr, "%s\n", e.what()), 1;
    }
}
