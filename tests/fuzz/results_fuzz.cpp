// SPDX-License-Identifier: Apache-2.0
// The results of a pass as they stand in memory that a stage process can write, while it writes: whatever lies there and however it
// changes, faces_of gives faces near a picture or an error, and reads nothing beyond the room that there is.
// The first byte says how many records there is room for, the second how many faces are asked after; then what lies there, and what is
// written over it, 8 bytes at a time, meanwhile.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "flow/stages/stage_set.hpp"

namespace {

using namespace faceflow;
using namespace faceflow::internal;

void look_at(const frame_faces& found, std::int32_t room) {
    if (found.faces.size() > static_cast<std::size_t>(room)) __builtin_trap();
    for (const face& f : found.faces) {
        if (!(f.presence >= 0.5f) || !(std::abs(f.box.x) <= 1e6f) || !(std::abs(f.score) <= 1e6f)) __builtin_trap();
        for (const point3& p : f.landmarks) {
            if (!(std::abs(p.x) <= 1e6f) || !(std::abs(p.z) <= 1e6f)) __builtin_trap();
        }
    }
}

// The same thread all along: to start one takes longer than all else.
class scribbler {
public:
    scribbler() : thread_([this] { scribble(); }) { thread_.detach(); }
    void begin(std::byte* into, std::size_t bytes, const std::uint8_t* what, std::size_t size) {
        into_ = into;
        bytes_ = bytes;
        what_ = what;
        size_ = size;
        at_work_.store(true);
    }
    void end() {
        // Each side stores its own flag and then reads the other's: anything weaker than sequential order lets both read the old one, and the
        // memory goes while it is written.
        at_work_.store(false);
        while (busy_.load())
            std::this_thread::yield();
    }

private:
    void scribble() {
        for (std::size_t i = 0;; ++i) {
            busy_.store(true);
            if (at_work_.load() && size_ >= 12 && bytes_ >= 8) {
                const std::size_t from = i * 12 % (size_ - 11);
                std::uint32_t to = 0;
                std::memcpy(&to, what_ + from, sizeof to);
                // Mostly headers, as they are what counts.
                const std::size_t most = i % 4 == 0 ? bytes_ : std::min<std::size_t>(bytes_, 64);
                auto* const word = into_ + to % (most / 8) * 8;
                std::uint64_t value = 0;
                std::memcpy(&value, what_ + from + 4, sizeof value);
                __atomic_store_n(reinterpret_cast<std::uint64_t*>(word), value, __ATOMIC_RELAXED);
            } else {
                busy_.store(false);
                std::this_thread::yield();
            }
            busy_.store(false);
        }
    }

    std::byte* into_ = nullptr;
    std::size_t bytes_ = 0;
    const std::uint8_t* what_ = nullptr;
    std::size_t size_ = 0;
    std::atomic<bool> at_work_{false}, busy_{false};
    std::thread thread_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static auto* const other = new scribbler;
    if (size < 2) return 0;
    const std::int32_t room = data[0] % 8, frames = 1 + data[1] % 2;
    const std::size_t bytes = (vision::pass_results::bytes(frames, room) + 7) / 8 * 8;
    // To the byte: what is read beyond is seen by the sanitizer.
    std::vector<std::uint64_t> memory(bytes / 8);
    std::memcpy(memory.data(), data + 2, std::min(size - 2, bytes));
    const vision::pass_results results{reinterpret_cast<vision::result_header*>(memory.data()), frames};
    host_frame of;
    other->begin(reinterpret_cast<std::byte*>(memory.data()), bytes, data, size);
    for (int i = 0; i < 16; ++i) {
        const auto found = flow::faces_of(results, i % frames, room, of, 0.5f);
        if (found) look_at(*found, room);
        if (!found && found.error().code != errc::corrupt) __builtin_trap();
    }
    other->end();
    return 0;
}
