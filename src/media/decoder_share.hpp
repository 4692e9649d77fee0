// SPDX-License-Identifier: Apache-2.0
// How live sources share a device's decoder with the CPU. When frames come faster than the device decodes them, sources go over to the
// CPU, one by one, while that has time; when others end, they come back.
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

namespace faceflow::media {

// Of one device. Thread-safe; outlives its members.
class decoder_share {
public:
    using clock = std::chrono::steady_clock;
    using maker = std::function<result<decoder>()>;

    // A source's part in it. One thread at a time.
    class member {
    public:
        // Waits while its decoder is being made.
        ~member();
        member(const member&) = delete;

        // Where the source decodes: at first where there was room, then where moved() says.
        [[nodiscard]] bool on_device() const;
        // Where it is to decode from its next entry packet on.
        [[nodiscard]] bool wants_device() const;

        // Has `make` called on another thread, in its turn; false where that was asked for before, or there is no room.
        bool prepare(maker make);
        // What that gave, once; nullopt while there is nothing.
        [[nodiscard]] std::optional<result<decoder>> take_prepared();

        void moved(bool to_device);
        // It is never to decode on the device, which cannot decode it.
        void refuse(const std::string& why);
        // No decoder could be made for it now: its place is free, and it may ask again.
        void give_up_place();

        // A live frame took so long to decode on the device, where one comes each `between_frames`. When that is about as long,
        // for two seconds in a row, the device is full, and the source is told to leave it; not so while the CPU has no time either, a
        // source has only just come (making a decoder holds up the others), or another one is about to leave.
        void took(clock::duration decoding, clock::duration between_frames, clock::time_point now = clock::now());

    private:
        friend class decoder_share;
        enum class making { none, waits, under_way, done };

        explicit member(decoder_share& of) : of_(of) {}

        decoder_share& of_;
        // Under the share's mutex.
        bool counted_ = false;  // decodes on the device, or is about to
        bool on_device_ = false, leaving_ = false, refused_ = false;
        bool stays_ = false;  // was told to leave, and no entry packet came
        clock::time_point leaving_since_;
        making making_ = making::none;
        maker make_;
        std::optional<result<decoder>> made_;
        // The source's thread's own.
        clock::duration decoding_{0}, passed_{0};
        bool was_full_ = false;
    };

    // The part of the processors' time that is in use; nullopt: not known now.
    using load = std::function<std::optional<double>()>;
    // `note` is told, once, that the device is full; any thread. `most`: members that it has room for, until it shows.
    explicit decoder_share(std::function<void(const std::string&)> note, std::optional<std::size_t> most = {},
                           load of_processors = load_of_machine());
    ~decoder_share();
    decoder_share(const decoder_share&) = delete;

    [[nodiscard]] std::unique_ptr<member> join(clock::time_point now = clock::now());

private:
    [[nodiscard]] static load load_of_machine();
    void work(const std::stop_token& stop);
    // All of these under the mutex.
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
    std::deque<member*> queue_;  // whose decoders are to be made
    std::size_t counted_ = 0;
    std::optional<std::size_t> most_;  // members that the device keeps up with, once it did not with more
    std::vector<member*> leaving_members_;
    std::optional<clock::time_point> last_came_, last_left_, last_full_;
    double processors_busy_ = 1;
    bool told_full_ = false, told_refused_ = false;
    std::vector<std::jthread> workers_;  // last: they use all of the above
};

}  // namespace faceflow::media
