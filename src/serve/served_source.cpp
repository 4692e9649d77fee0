// SPDX-License-Identifier: Apache-2.0
#include "serve/served_source.hpp"

#include <algorithm>
#include <utility>

#include "core/thread.hpp"
#include "core/try.hpp"
#include "media/address.hpp"
#include "media/reconnect.hpp"

namespace faceflow::internal::serve {
namespace {

using namespace std::chrono_literals;

// Between two openings of a source: longer than a track is kept, so that its numbers begin anew.
constexpr std::int64_t gap_ns = 2'000'000'000;
constexpr double rate_window = 2;  // seconds

}  // namespace

std::string_view name(source_state state) noexcept {
    switch (state) {
        case source_state::opening: break;
        case source_state::running: return "running";
        case source_state::paused: return "paused";
        case source_state::retrying: return "retrying";
        case source_state::ended: return "ended";
    }
    return "opening";
}

served_source::served_source(source_request request, std::uint32_t number, number_line& line,
                             std::function<void(const std::string&)> note)
    : number_(number),
      line_(line),
      note_(std::move(note)),
      request_(std::move(request)) {
    status_.name = request_.name;
    status_.input = media::without_secrets(request_.input);
    status_.loop = request_.loop;
}

result<void> served_source::start(std::shared_ptr<face_engine> into) {
    into_ = std::move(into);
    into_->begin_source(number_);
    auto started = start_jthread(
        "reading " + name(), [this](const std::stop_token& stop) { run(stop); },
        [this](const error& e) { set(source_state::retrying, e.message); });
    if (!started) {
        into_->end_source(number_);
        return tl::unexpected(std::move(started.error()));
    }
    thread_ = std::move(*started);
    return {};
}

void served_source::stop() {
    if (!thread_.joinable()) return;
    thread_.request_stop();
    thread_.join();
    into_->end_source(number_);
}

void served_source::run(const std::stop_token& stop) {
    const auto lost_now = [] { return media::backoff(clock::now(), media::forever); };
    media::backoff retries = lost_now();
    if (status().state == source_state::ended) stay_ended(stop);
    while (!stop.stop_requested()) {
        wait_while_paused(stop);
        set(source_state::opening);
        auto opened = open(stop);
        if (stop.stop_requested()) return;
        if (!opened) {
            set(source_state::retrying, std::move(opened.error().message));
            rest(stop, retries.pause(clock::now()));
            continue;
        }
        const std::uint64_t before = line_.sequence;
        switch (read(**opened, stop)) {
            case left::stopped: return;
            case left::paused: continue;
            case left::ended:
                opened->reset();
                if (status().loop) continue;
                set(source_state::ended);
                stay_ended(stop);
                continue;
            case left::lost: break;
        }
        if (line_.sequence > before) retries = lost_now();
        opened->reset();  // a camera serves one at a time
        rest(stop, retries.pause(clock::now()));
        const std::lock_guard lock(mutex_);
        ++status_.reconnects;
    }
}

result<std::unique_ptr<media::source>> served_source::open(const std::stop_token& stop) {
    media::source_options o;
    std::string input;
    {
        const std::lock_guard lock(mutex_);
        input = request_.input;
        if (resume_at_ > 0) o.start_seconds = resume_at_;
        resume_at_ = 0;
    }
    if (input == "-") return fail(errc::invalid_argument, "the service does not read its standard input");
    o.number = number_;
    o.reconnect_for = 0ms;  // the service itself opens it again, and says so
    o.realtime = true;
    o.note = note_;
    o.stop = stop;
    return media::open_source(input, o);
}

served_source::left served_source::read(media::source& from, const std::stop_token& stop) {
    number_line begin = line_;
    if (begin.sequence > 0) begin.pts_ns += gap_ns;
    const bool recorded =
        from.info().kind == media::source_kind::file || from.info().kind == media::source_kind::images;
    double position = 0;  // seconds
    bool any = false;     // frame has come
    const auto leave = [&](left why) {
        const std::lock_guard lock(mutex_);
        if (recorded) resume_at_ = position;
        return why;
    };
    set(source_state::running);
    while (!stop.stop_requested()) {
        if (paused()) return leave(left::paused);
        auto next = next_of(from);
        if (!next && next.error().code == errc::corrupt) {
            const std::lock_guard lock(mutex_);
            ++status_.errors;
            continue;
        }
        if (!next && next.error().code == errc::interrupted) return leave(left::stopped);
        if (!next) {
            set(source_state::retrying, std::move(next.error().message));
            return left::lost;
        }
        if (!*next) {
            if (recorded) return left::ended;
            set(source_state::retrying, "the stream ended");
            return left::lost;
        }
        const std::int64_t pts_ns = (*next)->frame.pts_ns;
        position = static_cast<double>(pts_ns) / 1e9;
        if (!std::exchange(any, true)) begin.pts_ns -= pts_ns;  // a recording may go on in its middle
        if (auto submitted = submit(std::move(**next), begin); !submitted) {
            if (auto health = into_->health(); !health) {
                set(source_state::ended, std::move(health.error().message));
                return left::stopped;
            }
            const std::lock_guard lock(mutex_);
            ++status_.errors;
        }
    }
    return leave(left::stopped);
}

result<std::optional<media::read_frame>> served_source::next_of(media::source& from) {
    stage_span taken{
        .at = stage::capture, .where = "sources", .frame = {number_, line_.sequence}, .begin = clock::now(), .end = {}};
    auto next = from.next();
    taken.end = clock::now();
    record_stage(into_->counters(), taken);
    return next;
}

result<void> served_source::submit(media::read_frame frame, const number_line& begin) {
    host_frame& f = frame.frame;
    f.id.sequence += begin.sequence;
    f.pts_ns += begin.pts_ns;
    line_ = {f.id.sequence + 1, std::max(line_.pts_ns, f.pts_ns)};
    FACEFLOW_ASSIGN(const auto overtaken, into_->submit(std::move(f)));
    const std::lock_guard lock(mutex_);
    status_.dropped += overtaken;
    return {};
}

void served_source::took(const host_frame& f, const result<frame_faces>& faces) {
    const auto now = clock::now();
    const std::lock_guard lock(mutex_);
    if (!faces) {
        ++status_.errors;
        return;
    }
    ++status_.frames;
    status_.faces = faces->faces.size();
    status_.width = faces->width;
    status_.height = faces->height;
    status_.latency_ms = std::chrono::duration<double, std::milli>(now - f.captured).count();
    ++rate_frames_;
    const double passed = std::chrono::duration<double>(now - rate_since_).count();
    if (rate_since_ == clock::time_point{} || passed > 5 * rate_window) {
        rate_since_ = now;
        rate_frames_ = 0;
    } else if (passed >= rate_window) {
        status_.frames_per_second = static_cast<double>(rate_frames_) / passed;
        rate_since_ = now;
        rate_frames_ = 0;
    }
}

void served_source::pause(bool on) {
    {
        const std::lock_guard lock(mutex_);
        paused_ = on;
    }
    changed_.notify_all();
}

void served_source::rename(std::string name) {
    const std::lock_guard lock(mutex_);
    request_.name = status_.name = std::move(name);
}

std::string served_source::name() const {
    const std::lock_guard lock(mutex_);
    return status_.name;
}

source_status served_source::status() const {
    const std::lock_guard lock(mutex_);
    source_status s = status_;
    if (s.state != source_state::running || clock::now() - rate_since_ > std::chrono::duration<double>(5 * rate_window))
        s.frames_per_second = 0;
    return s;
}

bool served_source::paused() const {
    const std::lock_guard lock(mutex_);
    return paused_;
}

void served_source::set(source_state state, std::string message) {
    const std::lock_guard lock(mutex_);
    status_.state = state;
    status_.message = std::move(message);
}

// A pause that begins or ends meanwhile ends the rest.
void served_source::rest(const std::stop_token& stop, std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    const bool before = paused_;
    const auto changed = [&] { return paused_ != before; };
    if (time == std::chrono::milliseconds::max()) {
        changed_.wait(lock, stop, changed);
    } else {
        changed_.wait_for(lock, stop, time, changed);
    }
}

// Until it is removed, or resumed after a pause.
void served_source::stay_ended(const std::stop_token& stop) {
    wait_while_paused(stop);
    rest(stop, std::chrono::milliseconds::max());
}

void served_source::wait_while_paused(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    if (!paused_) return;
    status_.state = source_state::paused;
    status_.message.clear();
    changed_.wait(lock, stop, [this] { return !paused_; });
}

}  // namespace faceflow::internal::serve
