// SPDX-License-Identifier: Apache-2.0
#include "engine/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "core/processors.hpp"
#include "core/thread.hpp"
#include "core/try.hpp"
#include "core/worker_pool.hpp"
#include "engine/engine.hpp"
#include "engine/note_limiter.hpp"
#include "engine/open_sources.hpp"
#include "engine/outputs.hpp"
#include "engine/summary.hpp"
#include "media/source.hpp"
#include "telemetry/nvml.hpp"

namespace faceflow::internal {
namespace fs = std::filesystem;
namespace {

using clock = std::chrono::steady_clock;

struct opened_source {
    std::unique_ptr<media::source> from;
    result<void> ended;  // an error if it ended early
    std::thread capture;
};

class runner {
public:
    runner(const run_request& request, const std::atomic<bool>& stop,
           const std::function<void(const run_progress&)>& on_progress)
        : request_(request),
          stop_(stop),
          on_progress_(on_progress) {}

    result<run_report> run() {
        FACEFLOW_TRY(watch_stop());
        FACEFLOW_ASSIGN(context_, runtime_context::open(request_.chosen));
        FACEFLOW_TRY(open_sources());
        FACEFLOW_TRY(open_outputs());
        if (auto r = open_engine(); !r) {
            outputs_->discard();
            return tl::unexpected(std::move(r.error()));
        }
        watch_gpus();
        started_ = clock::now();
        auto reading = caught_result("starting to read", [this] { return start_captures(); });
        if (!reading) {
            end_captures();
            outputs_->discard();
            return tl::unexpected(std::move(reading.error()));
        }
        watch();
        for (auto& s : sources_)
            s.capture.join();
        engine_->drain();
        return finish();
    }

private:
    // A signal handler can only set a flag; this thread forwards it to sources that may be blocked, even while they
    // open.
    result<void> watch_stop() {
        FACEFLOW_ASSIGN(stop_watch_, start_jthread(
                                         "waiting for signals",
                                         [this](const std::stop_token& over) {
                                             while (!over.stop_requested()) {
                                                 if (stop_.load(std::memory_order_relaxed)) halt_.request_stop();
                                                 std::this_thread::sleep_for(std::chrono::milliseconds(20));
                                             }
                                         },
                                         [](const error&) {}));
        return {};
    }

    result<void> open_sources() {
        FACEFLOW_ASSIGN(auto all, source_opening(request_, *context_, halt_.get_token()).open(decoding_));
        for (auto& opened : all) {
            live_ = live_ || opened->info().live;
            for (const auto& note : opened->info().notes)
                request_.note(note);
            sources_.push_back({std::move(opened), {}, {}});
        }
        return {};
    }

    result<void> open_outputs() {
        std::vector<const media::source_info*> infos;
        for (const auto& s : sources_)
            infos.push_back(&s.from->info());
        worker_pool* pool = context_->devices.front()->helpers();
        if (pool == nullptr) {
            const auto threads = request_.chosen.threads;
            pool = &own_pool_.emplace(threads > 0 ? threads : usable_processors());
        }
        FACEFLOW_ASSIGN(outputs_,
                        outputs::open(request_, infos, *pool, halt_.get_token(), [this] { halt_.request_stop(); }));
        return {};
    }

    result<void> open_engine() {
        if (!request_.trace_file.empty()) tracing_ = std::make_unique<trace>();
        options chosen = request_.chosen;
        if (live_) chosen.pacing = pacing::live;
        FACEFLOW_ASSIGN(
            engine_, face_engine::create(
                         {chosen, [this](const host_frame& f, result<frame_faces> faces) { take(f, std::move(faces)); },
                          true, tracing_.get(), request_.note, context_, sources_.size(), shapes()}));
        report_.warnings = engine_->notes();
        return {};
    }

    std::vector<frame_shape> shapes() const {
        std::vector<frame_shape> all;
        for (const auto& s : sources_)
            all.push_back({s.from->info().width, s.from->info().height, s.from->info().pictures});
        return all;
    }

    // A card without readable counters appears in the summary only by name.
    void watch_gpus() {
        std::vector<gpu_sampler::card> cards;
        for (const auto& d : engine_->devices()) {
            if (d->bus_id().empty()) continue;  // not a card
            auto readings = open_nvml(d->bus_id());
            cards.push_back({d->description(), readings ? std::move(*readings) : nullptr});
        }
        if (!cards.empty()) gpus_ = std::make_unique<gpu_sampler>(std::move(cards));
    }

    // If one capture thread cannot be started, the run ends.
    result<void> start_captures() {
        for (std::size_t i = 0; i < sources_.size(); ++i)
            engine_->begin_source(static_cast<std::uint32_t>(i), load_of(sources_[i].from->info()));
        for (auto& s : sources_) {
            const std::string doing = "reading " + s.from->info().input;
            {
                const std::lock_guard lock(mutex_);
                ++running_;
            }
            auto thread = start_thread(
                doing, [this, &s] { capture(s); },
                [this, &s](error e) {
                    s.ended = tl::unexpected(std::move(e));
                    end_capture(s);
                });
            if (thread) {
                s.capture = std::move(*thread);
                continue;
            }
            return tl::unexpected(std::move(thread.error()));
        }
        return {};
    }

    // Ends the started capture threads when not all could be started.
    void end_captures() {
        halt_.request_stop();
        for (auto& s : sources_) {
            if (s.capture.joinable()) {
                s.capture.join();
            } else {
                engine_->end_source(static_cast<std::uint32_t>(&s - sources_.data()));
            }
        }
        engine_->drain();
    }

    // Runs on the source's own thread.
    void capture(opened_source& s) {
        const media::source_info& info = s.from->info();
        auto input = std::make_shared<const std::string>(info.input);
        std::uint32_t number = static_cast<std::uint32_t>(&s - sources_.data());
        note_limiter told(request_.note);
        for (std::uint64_t n = 0; !halt_.stop_requested() && n < request_.limit.value_or(UINT64_MAX);) {
            const auto begun = clock::now();
            auto read = s.from->next();
            const frame_id id = read && *read ? (*read)->frame.id : frame_id{number, n};
            record_stage(engine_->counters(), {.at = stage::capture,
                                               .where = fmt::format("source {}", number),
                                               .frame = id,
                                               .begin = begun,
                                               .end = clock::now()});
            if (!read) {
                if (read.error().code == errc::corrupt) {
                    engine_->counters().errors.add("corrupt");
                    if (info.pictures) told.tell(read.error().message);
                    remember(read.error());
                    continue;
                }
                if (read.error().code != errc::interrupted) s.ended = tl::unexpected(std::move(read.error()));
                break;
            }
            if (!*read) break;
            told.tell((*read)->note);
            host_frame& f = (*read)->frame;
            f.input = (*read)->path.empty() ? input : std::make_shared<const std::string>(std::move((*read)->path));
            ++n;
            if (auto r = engine_->submit(std::move(f)); !r) {
                engine_->counters().errors.add(name(r.error().code));
                if (auto health = engine_->health(); !health) {
                    s.ended = health;
                    break;
                }
                if (r.error().code != errc::device_lost) told.tell(info.input + ": " + r.error().message);
                remember(r.error());
            }
        }
        end_capture(s);
    }

    // Keeps the first failure, for the error of a run without results.
    void remember(const error& e) {
        const std::lock_guard lock(mutex_);
        if (!first_failure_) first_failure_ = e;
    }

    void end_capture(opened_source& s) {
        engine_->end_source(static_cast<std::uint32_t>(&s - sources_.data()));
        {
            const std::lock_guard lock(mutex_);
            --running_;
        }
        changed_.notify_all();
    }

    // Runs on the engine's handler thread.
    void take(const host_frame& f, result<frame_faces> faces) {
        if (!faces) return;
        last_faces_.store(faces->faces.size(), std::memory_order_relaxed);
        auto& newest = newest_track_[f.id.source];
        for (const face& x : faces->faces)
            newest = std::max(newest, x.track);
        outputs_->write(f, *faces);
    }

    run_progress progress() const {
        run_progress p;
        p.frames = engine_->counters().frames.load(std::memory_order_relaxed);
        p.faces = last_faces_.load(std::memory_order_relaxed);
        p.seconds = std::chrono::duration<double>(clock::now() - started_).count();
        std::uint64_t expected = 0;
        for (const auto& s : sources_) {
            if (!s.from->info().frames) return p;
            expected += std::min<std::uint64_t>(static_cast<std::uint64_t>(*s.from->info().frames),
                                                request_.limit.value_or(UINT64_MAX));
        }
        p.expected = expected;
        return p;
    }

    void show_progress(clock::time_point& noted) {
        if (on_progress_) on_progress_(progress());
        if (clock::now() - noted < std::chrono::seconds(1)) return;
        noted = clock::now();
        summary_facts facts;
        facts.seconds = std::chrono::duration<double>(noted - started_).count();
        outputs_->snapshot(summary_of(*engine_, facts));
    }

    // Shows progress until all captures have ended, and saves summary snapshots.
    void watch() {
        auto noted = clock::time_point();
        std::unique_lock lock(mutex_);
        while (running_ > 0) {
            changed_.wait_for(lock, std::chrono::milliseconds(100));
            lock.unlock();
            // Capture threads are still running: running out of memory must not unwind this function.
            if (auto shown = caught("showing progress", [&] { show_progress(noted); }); !shown)
                engine_->counters().errors.add(name(shown.error().code));
            lock.lock();
        }
    }

    result<run_report> finish() {
        report_.interrupted = stop_.load();
        summary_facts facts;
        facts.seconds = report_.seconds = std::chrono::duration<double>(clock::now() - started_).count();
        if (gpus_) facts.gpus = gpus_->finish();
        report_.frames = engine_->counters().frames.load();
        report_.faces = engine_->counters().faces.load();
        for (const auto& [source, newest] : newest_track_)
            report_.tracks += static_cast<std::uint64_t>(newest);
        for (auto& s : sources_) {
            for (const auto& [reason, n] : s.from->survived())
                facts.survived[reason] += n;
            if (!s.ended) {
                facts.survived["source_lost"] += 1;
                report_.warnings.push_back(s.ended.error().message);
            }
        }
        if (report_.frames == 0) {
            outputs_->discard();  // existing files stay
            if (report_.interrupted) {
                report_.summary = std::make_shared<nlohmann::ordered_json>(summary_of(*engine_, facts));
                return std::move(report_);
            }
            FACEFLOW_TRY(engine_->health());
            return tl::unexpected(nothing_decoded());
        }
        outputs_->snapshot(summary_of(*engine_, facts));  // for `recover`, in case the run is killed while it finishes
        outputs_->finish(tracing_.get());
        facts.unfinished = outputs_->unfinished();
        // after finish: frames for the annotated video were downloaded until now
        facts.checked = engine_->check_ledger();
        if (facts.checked) {
            for (auto& difference : facts.checked->differences())
                report_.warnings.push_back(std::move(difference));
        }
        auto summary = std::make_shared<nlohmann::ordered_json>(summary_of(*engine_, facts));
        report_.summary = summary;
        outputs_->write_summary(*summary);
        report_.written = outputs_->written();
        for (const auto& note : outputs_->notes())
            report_.warnings.push_back(note);
        for (const auto& u : outputs_->unfinished()) {
            // An output gives up on its reader only because the run was stopped: not an error.
            if (report_.outputs && u.why.code != errc::interrupted) report_.outputs = fail(errc::io, u.why.message);
        }
        FACEFLOW_TRY(engine_->health());
        return std::move(report_);
    }

    error nothing_decoded() const {
        for (const auto& s : sources_) {
            if (!s.ended) return media::as_input_error(s.ended.error());
        }
        if (first_failure_) return media::as_input_error(*first_failure_);
        if (!engine_->counters().errors.snapshot().empty() || !engine_->counters().dropped.snapshot().empty())
            return {errc::internal, fmt::format("no frame of {} gave a result", sources_.front().from->info().input)};
        return {errc::corrupt, fmt::format("no frame of {} could be decoded{}", sources_.front().from->info().input,
                                           request_.reading.start_seconds || request_.reading.end_seconds
                                               ? " between --start and --end"
                                               : "")};
    }

    const run_request& request_;
    const std::atomic<bool>& stop_;
    const std::function<void(const run_progress&)>& on_progress_;

    std::stop_source halt_;

    std::shared_ptr<runtime_context> context_;  // declared before everything that holds frames on its devices
    device_decoding decoding_;                  // used by sources
    std::vector<opened_source> sources_;
    std::optional<worker_pool> own_pool_;  // draws, if the device has no pool
    std::unique_ptr<outputs> outputs_;
    bool live_ = false;
    std::map<std::uint32_t, std::int64_t> newest_track_;  // by source; tracks count from 1
    std::atomic<std::uint64_t> last_faces_{0};
    clock::time_point started_;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t running_ = 0;
    std::optional<error> first_failure_;  // of a frame
    run_report report_;
    std::unique_ptr<trace> tracing_;
    std::unique_ptr<gpu_sampler> gpus_;
    std::unique_ptr<face_engine> engine_;  // its threads use all of the above
    std::jthread stop_watch_;
};

}  // namespace

result<run_report> run(const run_request& request, const std::atomic<bool>& stop,
                       const std::function<void(const run_progress&)>& on_progress) {
    if (request.inputs.empty()) return fail(errc::invalid_argument, "no input was given");
    return runner(request, stop, on_progress).run();
}

}  // namespace faceflow::internal
