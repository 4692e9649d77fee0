// SPDX-License-Identifier: Apache-2.0
#include "serve/recording.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <stop_token>
#include <utility>

#include "core/thread.hpp"
#include "core/try.hpp"
#include "faceflow/version.h"
#include "media/event_fields.hpp"
#include "serve/option_json.hpp"

namespace faceflow::internal::serve {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

// Of whole pictures: 3 MB each for 1080p.
constexpr std::size_t max_waiting = 16;
// Between frames that belong to one video; a longer gap is one of a camera that was lost.
constexpr std::int64_t longest_step_ns = 1'500'000'000;

std::string utc(std::chrono::system_clock::time_point when, const char* format) {
    return fmt::format(fmt::runtime(format), fmt::gmtime(std::chrono::system_clock::to_time_t(when)));
}

// A folder that nobody has: segments may begin within one second.
fs::path free_folder(const fs::path& in, const std::string& name) {
    fs::path folder = in / name;
    std::error_code ignored;
    for (int i = 2; fs::exists(folder, ignored); ++i)
        folder = in / fmt::format("{}-{}", name, i);
    return folder;
}

}  // namespace

struct recording::segment {
    segment(run_request r, const media::source_info& from) : request(std::move(r)), about(from) {}

    run_request request;  // the outputs refer to it
    media::source_info about;
    std::chrono::system_clock::time_point started = std::chrono::system_clock::now();
    std::unique_ptr<outputs> files;
    std::atomic<bool> failed{false};  // no output is left
    std::uint64_t frames = 0, faces = 0;
    std::int64_t first_pts_ns = 0, last_pts_ns = 0;
    std::int32_t width = 0, height = 0;

    [[nodiscard]] json summary(const std::string& source) const {
        const double seconds = static_cast<double>(last_pts_ns - first_pts_ns) / 1e9;
        json chosen = json::object();
        const json all = options_json(request.chosen);
        for (const auto& [name, described] : all.items())
            chosen[name] = described["value"];
        return {{"source", source},
                {"input", about.input},
                {"started", utc(started, "{:%Y-%m-%dT%H:%M:%SZ}")},
                {"seconds", seconds},
                {"frames", frames},
                {"faces", faces},
                {"width", width},
                {"height", height},
                {"options", std::move(chosen)},
                {"version", FACEFLOW_VERSION}};
    }

    void finish(const std::string& source) {
        if (frames == 0) return files->discard();
        files->finish(nullptr);
        files->write_summary(summary(source));
        for (const std::string& line : files->notes())
            request.note(line);
    }
};

recording::recording(recording_setup setup)
    : setup_(std::move(setup)),
      input_(std::make_shared<const std::string>(setup_.input)),
      waiting_(max_waiting, queue_policy::fifo) {}

result<std::unique_ptr<recording>> recording::start(recording_setup setup) {
    std::unique_ptr<recording> made(new recording(std::move(setup)));
    FACEFLOW_TRY(made->open_segment());
    auto* const self = made.get();
    FACEFLOW_ASSIGN(made->writer_, start_thread(
                                       "recording " + made->setup_.source, [self] { self->write_all(); },
                                       [self](const error& e) {
                                           const std::lock_guard lock(self->mutex_);
                                           self->status_.message = e.message;
                                       }));
    return made;
}

recording::~recording() {
    waiting_.close();
    if (writer_.joinable()) {
        writer_.join();
    } else if (now_ != nullptr) {
        now_->files->discard();
    }
}

result<void> recording::open_segment() {
    const auto now = std::chrono::system_clock::now();
    run_request r;
    r.inputs = {setup_.input};
    r.chosen = setup_.chosen;
    r.out = free_folder(setup_.folder, fmt::format("{}-{}", setup_.source, utc(now, "{:%Y%m%dT%H%M%SZ}")));
    r.note = setup_.note;
    media::source_info about;
    about.input = setup_.input;
    about.kind = media::source_kind::camera;
    about.live = true;
    auto made = std::make_unique<segment>(std::move(r), about);
    FACEFLOW_ASSIGN(made->files, outputs::open(made->request, {&made->about}, *setup_.pool, std::stop_token(),
                                               [s = made.get()] { s->failed = true; }));
    made->files->snapshot(made->summary(setup_.source));
    now_ = std::move(made);
    const std::lock_guard lock(mutex_);
    status_.run = now_->request.out.filename().string();
    status_.seconds = 0;
    status_.message.clear();
    began_ = clock::now();
    return {};
}

// An MP4 gets its index when it is finished, which takes as long as reading and writing it: on a thread of its own.
void recording::close_segment() {
    if (now_ == nullptr) return;
    if (finisher_.joinable()) finisher_.join();
    auto over = std::shared_ptr<segment>(std::move(now_));
    auto finishing = start_jthread(
        "finishing a recording", [over, source = setup_.source](const std::stop_token&) { over->finish(source); },
        [note = setup_.note](const error& e) { note(e.message); });
    if (finishing) {
        finisher_ = std::move(*finishing);
    } else {
        over->finish(setup_.source);
    }
}

void recording::put(const frame_pointer& f) {
    if (waiting_.push(f) == push_outcome::queued) return;
    const std::lock_guard lock(mutex_);
    ++status_.dropped;
}

void recording::write_all() {
    while (auto next = waiting_.pop())
        write(**next);
    close_segment();
    if (finisher_.joinable()) finisher_.join();
}

bool recording::have_segment(clock::time_point now) {
    if (now_ != nullptr && now_->failed) {
        close_segment();
        retry_at_ = now + setup_.retry_after;
        const std::lock_guard lock(mutex_);
        status_.message = "no output could be written; it is tried again";
    }
    if (now_ != nullptr) return true;
    if (now < retry_at_) return false;
    auto opened = open_segment();
    if (opened) return true;
    retry_at_ = now + setup_.retry_after;
    const std::lock_guard lock(mutex_);
    status_.message = std::move(opened.error().message);
    return false;
}

void recording::write(const served_frame& f) {
    const auto now = clock::now();
    if (now_ != nullptr && now_->frames > 0) {
        const bool other_size = f.faces.width != now_->width || f.faces.height != now_->height;
        const bool gap = f.faces.pts_ns - now_->last_pts_ns > longest_step_ns;
        if (other_size || gap || now - began_ >= setup_.segment) close_segment();
    }
    if (!have_segment(now)) {
        const std::lock_guard lock(mutex_);
        ++status_.dropped;
        return;
    }
    segment& to = *now_;
    if (to.frames == 0) {
        to.first_pts_ns = f.faces.pts_ns;
        to.width = f.faces.width;
        to.height = f.faces.height;
    }
    host_frame frame = f.frame;
    frame_faces faces = f.faces;
    frame.id.source = faces.id.source = 0;  // the only one of its folder
    frame.input = input_;
    // Rows and video begin at 0, as those of a file do.
    frame.pts_ns -= to.first_pts_ns;
    media::fields::count_times_from(faces, to.first_pts_ns);
    to.files->write(frame, faces);
    ++to.frames;
    to.faces += faces.faces.size();
    to.last_pts_ns = f.faces.pts_ns;
    const std::lock_guard lock(mutex_);
    ++status_.frames;
    status_.seconds = static_cast<double>(to.last_pts_ns - to.first_pts_ns) / 1e9;
}

recording_status recording::status() const {
    const std::lock_guard lock(mutex_);
    return status_;
}

}  // namespace faceflow::internal::serve
