// SPDX-License-Identifier: Apache-2.0
// Shares a device's decoder among live sources. When frames come faster than the device decodes them, sources move to
// the CPU one by one, while it has time; when others end, they move back.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/thread.hpp"
#include "media/decoder.hpp"

namespace faceflow::internal::media {

// For one device. Thread-safe; outlives its members.
class decoder_share {
public:
    using clock = std::chrono::steady_clock;
    using maker = std::function<result<decoder>()>;

    // One source's membership. Use it from one thread at a time.
    class member {
    public:
        // Blocks while its decoder is being created.
        ~member();
        member(const member&) = delete;

        // Whether the source decodes on the device: initially if there was room, then as moved() says.
        [[nodiscard]] bool on_device() const;
        // Whether it should decode on the device from its next entry packet on.
        [[nodiscard]] bool wants_device() const;

        // Queues `make` to be called on another thread; false if already requested, or if there is no room.
        bool prepare(maker make);
        // The result of `make`, returned once; nullopt while there is none.
        [[nodiscard]] std::optional<result<decoder>> take_prepared();

        void moved(bool to_device);
        // The device cannot decode this source: it never decodes there.
        void refuse(const std::string& why);
        // No decoder could be created now: frees the member's place; it may ask again.
        void give_up_place();

        // Records that a live frame took `decoding` on the device, with `between_frames` between frames. If it takes
        // about that long for two seconds in a row, the device is full, and the source is told to leave it; but not
        // while the CPU is busy, too, a source has just come (creating a decoder delays the others), or another is
        // about to leave.
        void took(clock::duration decoding, clock::duration between_frames, clock::time_point now = clock::now());

    private:
        friend class decoder_share;
        enum class making { none, waits, under_way, done };

        explicit member(decoder_share& of) : of_(of) {}

        decoder_share& of_;
        // Guarded by the share's mutex.
        bool counted_ = false;  // decodes on the device, or is about to
        bool on_device_ = false, leaving_ = false, refused_ = false;
        bool stays_ = false;  // was told to leave, but no entry packet came
        clock::time_point leaving_since_;
        making making_ = making::none;
        maker make_;
        std::optional<result<decoder>> made_;
        // Used only by the source's thread.
        clock::duration decoding_{0}, passed_{0};
        bool was_full_ = false;
    };

    // The share of processor time in use; nullopt: unknown.
    using load = std::function<std::optional<double>()>;
    // `note` is called once when the device is full; on any thread. `most`: the assumed number of members that fit,
    // until measured.
    explicit decoder_share(std::function<void(const std::string&)> note, std::optional<std::size_t> most = {},
                           load of_processors = load_of_machine());
    ~decoder_share();
    decoder_share(const decoder_share&) = delete;

    [[nodiscard]] std::unique_ptr<member> join(clock::time_point now = clock::now());

private:
    [[nodiscard]] static load load_of_machine();
    void work(const std::stop_token& stop);
    // Call these under the mutex.
    [[nodiscard]] bool has_room() const { return !most_ || counted_ < *most_; }
    void count(member& m, bool counted);
    void end_leaving(member& m);
    void give_up_on_those_that_stay(clock::time_point now);
    void note_judged(bool full, clock::time_point now);
    [[nodiscard]] bool start_worker();
    [[nodiscard]] bool may_leave(clock::time_point now) const;

    const std::function<void(const std::string&)> note_;
    const load of_processors_;
    mutable std::mutex mutex_;
    std::condition_variable_any changed_;
    std::deque<member*> queue_;  // waiting for a decoder
    std::size_t counted_ = 0;
    std::optional<std::size_t> most_;  // members that the device keeps up with, known once it was overloaded
    std::vector<member*> leaving_members_;
    std::optional<clock::time_point> last_came_, last_left_, last_full_;
    double processors_busy_ = 1;
    bool told_full_ = false, told_refused_ = false;
    std::vector<std::jthread> workers_;  // last: they use all of the above
};

}  // namespace faceflow::internal::media
