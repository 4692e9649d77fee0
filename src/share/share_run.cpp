// SPDX-License-Identifier: Apache-2.0
#include "share/share_run.hpp"

#include <fmt/format.h>

#include <stop_token>
#include <thread>

#include "core/thread.hpp"
#include "core/try.hpp"
#include "media/address.hpp"
#include "media/pacer.hpp"
#include "media/source.hpp"

namespace faceflow::internal::share {
namespace {

using clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

// Publishes one source on a thread of its own.
class pump {
public:
    pump(const share_request& wanted, media::input_group inputs, std::uint32_t number, std::stop_token stop)
        : wanted_(wanted),
          inputs_(std::move(inputs)),
          number_(number),
          stop_(std::move(stop)) {}

    result<void> open() {
        media::source_options o = wanted_.reading;
        o.note = wanted_.note;
        o.number = number_;
        o.stop = stop_;
        auto opened = media::open_source(inputs_, o);
        if (!opened) return tl::unexpected(media::as_input_error(std::move(opened.error())));
        from_ = std::move(*opened);
        return {};
    }

    void run(share_server& to) {
        if (wanted_.once_connected) {
            while (!stop_.stop_requested() && !to.wait_for_client(clock::now() + 50ms)) {
            }
        }
        started_ = clock::now();
        pace_ = media::pacer(started_);
        while (!stop_.stop_requested() && frames_ < wanted_.limit.value_or(UINT64_MAX)) {
            if (!step(to)) break;
        }
        remember_survived();
    }

    std::string name() const { return media::without_secrets(inputs_.front()); }
    // Called by the source's thread if it fails.
    void fail_with(error e) { ended_ = tl::unexpected(std::move(e)); }
    std::uint64_t frames() const { return frames_; }
    const std::map<std::string, std::uint64_t>& survived() const { return survived_; }
    const result<void>& ended() const { return ended_; }

private:
    // False at the end of the source.
    bool step(share_server& to) {
        auto read = from_->next();
        if (!read && read.error().code == errc::corrupt) {
            ++corrupt_;
            return true;
        }
        if (!read) {
            if (read.error().code != errc::interrupted) ended_ = tl::unexpected(std::move(read.error()));
            return false;
        }
        if (!*read) return begin_anew();
        host_frame f = std::move((*read)->frame);
        f.id.sequence += first_sequence_;
        f.pts_ns += first_pts_;
        next_sequence_ = f.id.sequence + 1;
        step_ns_ = frames_ > 0 && f.pts_ns > last_pts_ ? f.pts_ns - last_pts_ : step_ns_;
        last_pts_ = f.pts_ns;
        if (!from_->info().live && !wait_for_turn(f)) return false;
        ++frames_;
        // The server counts errors of single frames.
        [[maybe_unused]] const auto published = to.publish(f);
        return true;
    }

    bool begin_anew() {
        if (!wanted_.loop || from_->info().live || frames_ == 0) return false;
        remember_survived();
        if (auto r = open(); !r) {
            ended_ = r;
            return false;
        }
        first_sequence_ = next_sequence_;
        first_pts_ = last_pts_ + step_ns_;
        return true;
    }

    // Delays a recorded frame until its time has come. False when it is time to stop.
    bool wait_for_turn(host_frame& f) {
        const double fps = wanted_.fps.value_or(-1);
        auto due = started_;
        if (fps < 0) {
            due = pace_.due(f.pts_ns);
        } else if (fps > 0) {
            due += std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 * static_cast<double>(frames_) / fps));
        }
        while (clock::now() < due) {
            if (stop_.stop_requested()) return false;
            std::this_thread::sleep_until(std::min(due, clock::now() + 50ms));
        }
        f.captured = clock::now();
        return true;
    }

    void remember_survived() {
        for (const auto& [reason, n] : from_->survived())
            survived_[reason] += n;
        if (corrupt_ > 0) survived_["corrupt"] += std::exchange(corrupt_, 0);
    }

    const share_request& wanted_;
    const media::input_group inputs_;
    const std::uint32_t number_;
    const std::stop_token stop_;
    std::unique_ptr<media::source> from_;
    clock::time_point started_;
    media::pacer pace_{started_};
    std::uint64_t frames_ = 0, corrupt_ = 0;
    std::uint64_t first_sequence_ = 0, next_sequence_ = 0;  // of this pass through the input
    std::int64_t first_pts_ = 0, last_pts_ = 0, step_ns_ = 40'000'000;
    std::map<std::string, std::uint64_t> survived_;
    result<void> ended_;
};

result<std::filesystem::path> socket_of(const share_request& wanted) {
    if (!wanted.socket.empty()) {
        // A bare name refers to the current folder, which must be checked like any other.
        return wanted.socket.has_parent_path() ? wanted.socket : "." / wanted.socket;
    }
    FACEFLOW_ASSIGN(auto found, ipc::find_runtime_directory());
    if (!found.note.empty() && wanted.note) wanted.note(found.note);
    return found.path / ipc::default_share_socket;
}

result<share_report> report_of(const share_server& server, const std::vector<std::unique_ptr<pump>>& pumps) {
    share_report report;
    report.counts = server.counts();
    for (const auto& p : pumps) {
        for (const auto& [reason, n] : p->survived())
            report.survived[reason] += n;
        if (p->ended()) continue;
        if (report.counts.frames == 0) return tl::unexpected(media::as_input_error(p->ended().error()));
        report.warnings.push_back(p->ended().error().message);
    }
    return report;
}

}  // namespace

result<share_report> run_share(const share_request& wanted, const std::atomic<bool>& stop,
                               const std::function<void(const std::filesystem::path&)>& ready) {
    if (wanted.inputs.empty())
        return fail(errc::invalid_argument, "there is nothing to share: give at least one input");
    FACEFLOW_ASSIGN(auto devices, open_devices(wanted.device));
    std::stop_source halt;
    std::vector<std::unique_ptr<pump>> pumps;
    for (auto& inputs : media::group_inputs(wanted.inputs)) {
        const auto number = static_cast<std::uint32_t>(pumps.size());
        pumps.push_back(std::make_unique<pump>(wanted, std::move(inputs), number, halt.get_token()));
        FACEFLOW_TRY(pumps.back()->open());
    }
    FACEFLOW_ASSIGN(auto socket, socket_of(wanted));
    server_options o;
    o.socket = std::move(socket);
    o.slots = wanted.slots;
    o.sources = static_cast<std::uint32_t>(pumps.size());
    FACEFLOW_ASSIGN(auto server, share_server::open(*devices.front(), o));
    if (ready) ready(server->socket());

    const auto begun = clock::now();
    std::atomic<std::size_t> running{0};
    result<void> all_started;
    {
        std::vector<std::jthread> threads;
        all_started = caught_result("starting to capture", [&]() -> result<void> {
            threads.reserve(pumps.size());
            for (const auto& p : pumps) {
                ++running;
                FACEFLOW_ASSIGN(auto started, start_jthread(
                                                  fmt::format("capturing '{}'", p->name()),
                                                  [&running, &to = *server, own = p.get()](const std::stop_token&) {
                                                      own->run(to);
                                                      --running;
                                                  },
                                                  [&running, own = p.get()](error e) {
                                                      own->fail_with(std::move(e));
                                                      --running;
                                                  }));
                threads.push_back(std::move(started));
            }
            return {};
        });
        while (all_started && running > 0 && !stop && server->health())
            std::this_thread::sleep_for(20ms);
        halt.request_stop();
    }
    if (!all_started) return tl::unexpected(std::move(all_started.error()));
    FACEFLOW_TRY(server->health());
    auto report = report_of(*server, pumps);
    if (!report) return report;
    report->seconds = std::chrono::duration<double>(clock::now() - begun).count();
    report->interrupted = stop;
    return report;
}

}  // namespace faceflow::internal::share
