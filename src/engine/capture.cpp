// SPDX-License-Identifier: Apache-2.0
#include "engine/capture.hpp"

#include <fmt/format.h>

#include <utility>

#include "core/try.hpp"
#include "engine/open_sources.hpp"

namespace faceflow::internal {

source_capture::source_capture(const capture_setup& with, std::uint32_t number, media::source& from)
    : with_(with),
      number_(number),
      from_(from),
      input_(std::make_shared<const std::string>(from.info().input)),
      told_(with.request.note) {}

void source_capture::run(first_error& failed) {
    const std::stop_token halt = with_.halt.token();
    while (!halt.stop_requested() && frames_ < with_.request.limit.value_or(UINT64_MAX)) {
        auto next = read();
        if (!next) {
            if (survives(std::move(next.error()), failed)) continue;
            return;
        }
        if (!*next) return;
        ++frames_;
        if (!submit(std::move(**next), failed)) return;
    }
}

result<std::optional<media::read_frame>> source_capture::read() {
    stage_span taken{.at = stage::capture,
                     .where = {},
                     .frame = {number_, frames_},
                     .begin = std::chrono::steady_clock::now(),
                     .end = {}};
    auto next = from_.next();
    if (next && *next) taken.frame = (*next)->frame.id;
    taken.end = std::chrono::steady_clock::now();
    const std::string row = fmt::format("source {}", number_);
    taken.where = row;
    record_stage(with_.into.counters(), taken);
    return next;
}

// Whether the source can go on after an error.
bool source_capture::survives(error why, first_error& failed) {
    if (why.code == errc::corrupt) {
        with_.into.counters().errors.add("corrupt");
        if (from_.info().pictures) told_.tell(why.message);
        failed.put(std::move(why));
        return true;
    }
    if (why.code != errc::interrupted) end_with(std::move(why));
    return false;
}

// False once the engine takes no frame any more.
bool source_capture::submit(media::read_frame frame, first_error& failed) {
    told_.tell(frame.note);
    host_frame& f = frame.frame;
    f.input = frame.path.empty() ? input_ : std::make_shared<const std::string>(std::move(frame.path));
    auto submitted = with_.into.submit(std::move(f));
    if (submitted) return true;
    error& why = submitted.error();
    with_.into.counters().errors.add(name(why.code));
    if (auto health = with_.into.health(); !health) {
        ended_ = std::move(health);
        return false;
    }
    if (why.code != errc::device_lost) told_.tell(*input_ + ": " + why.message);
    failed.put(std::move(why));
    return true;
}

capture_threads::capture_threads(const capture_setup& with, const std::vector<std::unique_ptr<media::source>>& sources)
    : with_(with) {
    captures_.reserve(sources.size());
    for (std::size_t i = 0; i < sources.size(); ++i)
        captures_.emplace_back(with_, static_cast<std::uint32_t>(i), *sources[i]);
}

result<void> capture_threads::start() {
    auto started = caught_result("starting to read", [this] { return start_all(); });
    if (!started) give_up();
    return started;
}

result<void> capture_threads::start_all() {
    threads_.reserve(captures_.size());  // a thread without a slot here could not be joined
    for (const source_capture& c : captures_)
        with_.into.begin_source(c.number(), load_of(c.from().info()));
    for (source_capture& c : captures_) {
        const std::string doing = "reading " + c.from().info().input;
        {
            const std::lock_guard lock(mutex_);
            ++running_;
        }
        FACEFLOW_ASSIGN(auto started, start_thread(
                                          doing,
                                          [this, &c] {
                                              c.run(failed_);
                                              end(c);
                                          },
                                          [this, &c](error e) {
                                              c.end_with(std::move(e));
                                              end(c);
                                          }));
        threads_.push_back(std::move(started));
    }
    return {};
}

// Ends the started threads when not all could be started.
void capture_threads::give_up() {
    with_.halt.request_stop();
    for (std::size_t i = threads_.size(); i < captures_.size(); ++i)
        with_.into.end_source(captures_[i].number());
    join();
    with_.into.drain();
}

void capture_threads::end(const source_capture& c) {
    with_.into.end_source(c.number());
    {
        const std::lock_guard lock(mutex_);
        --running_;
    }
    changed_.notify_all();
}

bool capture_threads::wait(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    if (running_ == 0) return false;
    changed_.wait_for(lock, time);
    return true;
}

void capture_threads::join() {
    for (auto& t : threads_)
        t.join();
}

}  // namespace faceflow::internal
