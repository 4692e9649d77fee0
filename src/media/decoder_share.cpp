// SPDX-License-Identifier: Apache-2.0
#include "media/decoder_share.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/processor_load.hpp"

namespace faceflow::internal::media {
namespace {

// The driver creates decoders one at a time.
constexpr std::size_t max_workers = 1;
constexpr auto judged_over = std::chrono::seconds(1), between_leavings = std::chrono::seconds(1),
               settled_after = std::chrono::seconds(3);
// Streams without entry packets never leave; and a device that once fell behind may only have stalled.
constexpr auto longest_leaving = std::chrono::seconds(10), fits_one_more_after = std::chrono::seconds(60);
// Share of processor time above which the CPU counts as busy; the rest is for one more source and for the machine.
constexpr double busy_enough = 0.7;
// Share of the time between frames. Decoders that use all of it fall behind; when frames arrive from all cameras at
// once, they wait for one another for half of it even if the device is not nearly full.
constexpr double full_from = 0.9;
// One source may be leaving for this many members: an entry packet may take seconds to come.
constexpr std::size_t members_for_each_leaving = 16;

}  // namespace

decoder_share::decoder_share(std::function<void(const std::string&)> note, std::optional<std::size_t> most,
                             load of_processors)
    : note_(std::move(note)),
      of_processors_(std::move(of_processors)),
      most_(most) {
    workers_.reserve(max_workers);  // a thread without a slot here could not be joined
}

decoder_share::load decoder_share::load_of_machine() {
    return [meter = std::make_shared<processor_load>()] { return meter->since_last(); };
}

decoder_share::~decoder_share() {
    for (auto& w : workers_)
        w.request_stop();
}

std::unique_ptr<decoder_share::member> decoder_share::join(clock::time_point now) {
    std::unique_ptr<member> joined(new member(*this));
    const std::lock_guard lock(mutex_);
    if (has_room()) {
        count(*joined, true);
        joined->on_device_ = true;
        last_came_ = now;
    }
    return joined;
}

void decoder_share::count(member& m, bool counted) {
    if (std::exchange(m.counted_, counted) == counted) return;
    counted_ = counted ? counted_ + 1 : counted_ - 1;
}

void decoder_share::end_leaving(member& m) {
    if (std::exchange(m.leaving_, false)) std::erase(leaving_members_, &m);
}

// If no thread can be started, decoders stay where they are.
bool decoder_share::start_worker() {
    if (workers_.size() >= std::min(max_workers, queue_.size())) return !workers_.empty();
    auto started = start_jthread(
        "making decoders", [this](const std::stop_token& stop) { work(stop); }, [](const error&) {});
    if (started) workers_.push_back(std::move(*started));
    return !workers_.empty();
}

void decoder_share::work(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (changed_.wait(lock, stop, [this] { return !queue_.empty(); })) {
        member& m = *queue_.front();
        queue_.pop_front();
        if (!m.counted_ && !has_room()) {
            m.making_ = member::making::none;
            continue;
        }
        count(m, true);
        last_came_ = clock::now();
        m.making_ = member::making::under_way;
        const maker make = std::move(m.make_);
        lock.unlock();
        auto made = caught_result("making a decoder", make);
        lock.lock();
        m.made_.emplace(std::move(made));
        m.making_ = member::making::done;
        changed_.notify_all();
    }
}

decoder_share::member::~member() {
    std::unique_lock lock(of_.mutex_);
    std::erase(of_.queue_, this);
    of_.changed_.wait(lock, [this] { return making_ != making::under_way; });
    of_.count(*this, false);
    of_.end_leaving(*this);
}

bool decoder_share::member::on_device() const {
    const std::lock_guard lock(of_.mutex_);
    return on_device_;
}

bool decoder_share::member::wants_device() const {
    const std::lock_guard lock(of_.mutex_);
    return !refused_ && !leaving_ && (counted_ || of_.has_room());
}

bool decoder_share::member::prepare(maker make) {
    const std::lock_guard lock(of_.mutex_);
    if (making_ != making::none || on_device_ || !(counted_ || of_.has_room())) return false;
    of_.queue_.push_back(this);
    if (!of_.start_worker()) {
        of_.queue_.pop_back();
        return false;
    }
    make_ = std::move(make);
    making_ = making::waits;
    of_.changed_.notify_all();
    return true;
}

std::optional<result<decoder>> decoder_share::member::take_prepared() {
    const std::lock_guard lock(of_.mutex_);
    if (making_ != making::done) return std::nullopt;
    making_ = making::none;
    return std::exchange(made_, std::nullopt);
}

void decoder_share::member::moved(bool to_device) {
    const std::lock_guard lock(of_.mutex_);
    on_device_ = to_device;
    of_.end_leaving(*this);
    of_.count(*this, to_device);
    decoding_ = passed_ = clock::duration(0);
}

void decoder_share::member::refuse(const std::string& why) {
    bool first = false;
    {
        const std::lock_guard lock(of_.mutex_);
        refused_ = true;
        on_device_ = false;
        of_.end_leaving(*this);
        of_.count(*this, false);
        first = !std::exchange(of_.told_refused_, true);
    }
    if (first) of_.note_("decoding on the CPU what the device does not decode: " + why);
}

void decoder_share::member::give_up_place() {
    const std::lock_guard lock(of_.mutex_);
    if (!on_device_) of_.count(*this, false);
}

void decoder_share::give_up_on_those_that_stay(clock::time_point now) {
    for (std::size_t i = leaving_members_.size(); i-- > 0;) {
        member& m = *leaving_members_[i];
        if (now - m.leaving_since_ < longest_leaving) continue;
        m.stays_ = true;
        end_leaving(m);
    }
}

// A device that has not been full for a while may take one more.
void decoder_share::note_judged(bool full, clock::time_point now) {
    if (full) {
        last_full_ = now;
        return;
    }
    const bool may_grow = most_ && last_full_ && counted_ >= *most_;
    if (!may_grow || now - *last_full_ < fits_one_more_after) return;
    ++*most_;
    last_full_ = now;
}

bool decoder_share::may_leave(clock::time_point now) const {
    if (last_came_ && now - *last_came_ < settled_after) return false;
    if (last_left_ && now - *last_left_ < between_leavings) return false;
    return processors_busy_ < busy_enough &&
           leaving_members_.size() < std::max<std::size_t>(1, counted_ / members_for_each_leaving);
}

void decoder_share::member::took(clock::duration decoding, clock::duration between_frames, clock::time_point now) {
    decoding_ += decoding;
    passed_ += between_frames;
    if (passed_ < judged_over) return;
    const bool full = std::chrono::duration<double>(decoding_) >= full_from * std::chrono::duration<double>(passed_);
    const bool again = std::exchange(was_full_, full) && full;
    decoding_ = passed_ = clock::duration(0);
    std::optional<std::size_t> told;
    {
        const std::lock_guard lock(of_.mutex_);
        of_.note_judged(full, now);
        if (!again) return;
        of_.give_up_on_those_that_stay(now);
        if (const auto busy = of_.of_processors_()) of_.processors_busy_ = *busy;
        if (!on_device_ || leaving_ || stays_ || !of_.may_leave(now)) return;
        of_.leaving_members_.push_back(this);
        leaving_ = true;
        leaving_since_ = now;
        of_.last_left_ = now;
        of_.most_ = std::max<std::size_t>(1, of_.counted_ - of_.leaving_members_.size());
        if (!std::exchange(of_.told_full_, true)) told = of_.counted_;
    }
    if (told) {
        of_.note_(fmt::format("the device's decoder does not keep up with {} sources; some go over to the CPU", *told));
    }
}

}  // namespace faceflow::internal::media
