// SPDX-License-Identifier: Apache-2.0
#include "analysis/clip.hpp"

#include <fmt/format.h>

#include <chrono>
#include <stop_token>
#include <thread>

#include "frame/layout.hpp"
#include "media/address.hpp"
#include "media/source.hpp"

namespace faceflow::internal::analysis {

result<clip> decode(const clip_request& wanted, const std::atomic<bool>& stop,
                    const std::function<void(std::uint64_t)>& on_progress) {
    // A signal handler can only set a flag; this thread forwards it to a source that may be blocked.
    std::stop_source halt;
    const std::jthread watch([&](const std::stop_token& over) {
        while (!over.stop_requested()) {
            if (stop.load(std::memory_order_relaxed)) halt.request_stop();
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
    });
    media::source_options o;
    o.stop = halt.get_token();
    if (wanted.start_seconds > 0) o.start_seconds = wanted.start_seconds;
    auto source = media::open_source(wanted.input, o);
    if (!source) return tl::unexpected(media::as_input_error(std::move(source.error())));

    clip c;
    std::size_t bytes = 0;
    std::uint64_t damaged = 0;
    while (c.frames.size() < wanted.limit) {
        auto read = (*source)->next();
        if (!read) {
            if (read.error().code != errc::corrupt)
                return tl::unexpected(media::as_input_error(std::move(read.error())));
            ++damaged;
            continue;
        }
        if (!*read) break;
        host_frame& f = (*read)->frame;
        bytes += native_bytes(f.picture.format, f.picture.width, f.picture.height);
        if (bytes > wanted.max_bytes && !c.frames.empty()) {
            c.notes.push_back(fmt::format("only the first {} frames were used: more would take over {} MiB of memory",
                                          c.frames.size(), wanted.max_bytes >> 20));
            break;
        }
        c.frames.push_back(std::move(f));
        on_progress(c.frames.size());
    }
    if (damaged > 0) c.notes.push_back(fmt::format("{} damaged frames were left out", damaged));
    if (c.frames.empty())
        return fail(errc::corrupt,
                    fmt::format("no frame of {} could be decoded", media::without_secrets(wanted.input)));
    c.frames_per_second = (*source)->info().frames_per_second;
    return c;
}

}  // namespace faceflow::internal::analysis
