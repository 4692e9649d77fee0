// SPDX-License-Identifier: Apache-2.0
#include "engine/outputs.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <nlohmann/json.hpp>

#include "core/processors.hpp"
#include "core/thread.hpp"
#include "core/try.hpp"
#include "engine/leftovers.hpp"
#include "media/picture_writer.hpp"

namespace faceflow::internal {
namespace fs = std::filesystem;
namespace {

using namespace std::chrono_literals;

constexpr auto flush_period = 500ms;  // a row reaches the system within a second
constexpr auto sync_period = 2500ms;  // and the disk within three
// Reserved for the summary, so that it fits even on a full disk.
constexpr off_t summary_reserve = off_t{64} << 10;
constexpr std::size_t max_row_threads = 4;

// An errno, or 0.
int write_at_start(int descriptor, std::string_view text) {
    for (off_t at = 0; static_cast<std::size_t>(at) < text.size();) {
        const ssize_t some = ::pwrite(descriptor, text.data() + at, text.size() - static_cast<std::size_t>(at), at);
        if (some < 0 && errno == EINTR) continue;
        if (some <= 0) return some < 0 ? errno : EIO;
        at += some;
    }
    return 0;
}

// Calls `look` once per `period` until stopped.
template <class Look>
void every(std::chrono::milliseconds period, const std::stop_token& over, Look look) {
    std::mutex nobody;
    std::condition_variable_any never;
    std::unique_lock lock(nobody);
    while (!never.wait_for(lock, over, period, [&] { return over.stop_requested(); }))
        look();
}

}  // namespace

outputs::outputs(const run_request& request, worker_pool& pool, std::stop_token stop, std::function<void()> none_left)
    : request_(request),
      pool_(pool),
      stop_(std::move(stop)),
      none_left_(std::move(none_left)),
      formatter_(std::make_unique<row_formatter>(
          std::min<std::size_t>(max_row_threads, static_cast<std::size_t>(usable_processors()) / 4),
          [this](const frame_faces& faces, const std::string& input) { return rows_of(faces, input); },
          [this](const result<row_formatter::rows>& rows) { append_rows(rows); })) {}

outputs::~outputs() = default;

media::row_contents contents_of(const options& chosen) noexcept {
    return {.blendshapes = chosen.landmarks == landmark_model::v2,
            .openface = chosen.pose_convention == pose_convention::openface,
            .changes = chosen.baseline > 0};
}

result<std::unique_ptr<outputs>> outputs::open(const run_request& request,
                                               const std::vector<const media::source_info*>& sources, worker_pool& pool,
                                               std::stop_token stop, std::function<void()> none_left) {
    std::unique_ptr<outputs> made(new outputs(request, pool, std::move(stop), std::move(none_left)));
    if (request.video && request.out != "-") made->annotated_ = name_annotated(request.out, sources);
    auto opened = made->check_targets(sources);
    if (opened && request.out != "-") opened = made->make_folder();
    if (opened) opened = made->open_all(sources);
    if (opened) opened = made->start_keepers();
    if (opened) return made;
    made->discard();
    return tl::unexpected(std::move(opened.error()));
}

result<void> outputs::check_targets(const std::vector<const media::source_info*>& sources) {
    std::vector<fs::path> targets;
    if (request_.out == "-") {
        targets.emplace_back("/dev/stdout");
    } else {
        for (const auto* format : request_.formats)
            targets.push_back(request_.out / format->file);
        for (const auto& a : annotated_)
            targets.push_back(a.target);
        targets.push_back(request_.out / "summary.json");
    }
    if (!request_.trace_file.empty()) targets.push_back(request_.trace_file);
    for (std::size_t i = 0; i < targets.size(); ++i) {
        const auto absolute = [](const fs::path& p) { return fs::absolute(p).lexically_normal(); };
        for (std::size_t j = 0; j < i; ++j) {
            if (absolute(targets[i]) == absolute(targets[j])) {
                return fail(errc::invalid_argument,
                            fmt::format("{} would be written twice; name another file", targets[i].string()));
            }
        }
        for (const auto* source : sources) {
            for (const auto& file : source->files) {
                FACEFLOW_TRY(refuse_input(targets[i], file));
            }
        }
    }
    return refuse_pictures_among_inputs(annotated_, sources);
}

result<void> outputs::make_folder() {
    std::error_code ec;
    fs::create_directories(request_.out, ec);
    if (ec || !fs::is_directory(request_.out, ec)) {
        return fail(errc::io,
                    fmt::format("cannot make the output folder {}: {}; choose another with --out",
                                request_.out.string(), ec ? ec.message() : "something else of that name is there"));
    }
    report_leftovers();
    return {};
}

void outputs::report_leftovers() {
    bool dead = false, live = false;
    for (const auto& l : find_leftovers(request_.out))
        (l.live ? live : dead) = true;
    if (dead) {
        request_.note(
            fmt::format("{} holds what a run that was killed left; it stays as it is, and `faceflow recover {}` "
                        "makes files of it",
                        request_.out.string(), request_.out.string()));
    }
    if (live) {
        request_.note(fmt::format("another run is writing into {}; whichever ends last gets names of its own there",
                                  request_.out.string()));
    }
}

result<void> outputs::open_all(const std::vector<const media::source_info*>& sources) {
    const output_options o{token_, stop_};
    const options& chosen = request_.chosen;
    const media::row_contents of = contents_of(chosen);
    if (request_.out == "-") {
        FACEFLOW_TRY(add_rows(media::make_ndjson_writer("/dev/stdout", o, of), true));
    } else {
        FACEFLOW_TRY(open_summary());
        for (const auto* format : request_.formats) {
            const bool wanted = format->of_faces || request_.formats.size() == 1;
            FACEFLOW_TRY(add_rows(format->make(request_.out / format->file, o, of), wanted));
        }
        for (std::size_t i = 0; i < annotated_.size(); ++i) {
            FACEFLOW_TRY(add_annotated(i, *sources[i]));
        }
    }
    if (!request_.trace_file.empty()) {
        FACEFLOW_ASSIGN(auto file, output_file::open(request_.trace_file, o));
        trace_.emplace(std::move(file));
    }
    if (request_.out == "-") return {};
    // Makes the folder and its files survive a power cut.
    sync_folder(request_.out);
    sync_folder(fs::absolute(request_.out).lexically_normal().parent_path());
    return {};
}

result<void> outputs::add_rows(result<std::unique_ptr<media::result_writer>> writer, bool wanted) {
    if (!writer) return tl::unexpected(std::move(writer.error()));
    auto sink = std::make_unique<row_sink>();
    sink->writer = std::move(*writer);
    sink->wanted = wanted;
    rows_.push_back(std::move(sink));
    if (wanted) ++takers_;
    return {};
}

result<void> outputs::add_annotated(std::size_t number, const media::source_info& from) {
    const annotated_target& a = annotated_[number];
    const auto writer = [&]() -> result<std::unique_ptr<media::video_writer>> {
        if (from.pictures) {
            return media::make_picture_writer(
                {a.target, from.files, a.pictures, from.kind != media::source_kind::file, token_});
        }
        media::video_writer_options v;
        v.path = a.target;
        v.token = token_;
        if (from.has_audio && from.kind == media::source_kind::file) v.audio_from = from.files.front();
        v.start_seconds = request_.reading.start_seconds.value_or(0);
        if (from.frames_per_second > 0) v.frames_per_second = from.frames_per_second;
        // The encoders share the processors; by itself each would start half as many threads again as there are.
        v.threads = std::max(1, pool_.processors() / static_cast<int>(annotated_.size()));
        v.pool = &pool_;
        return media::video_writer::create(std::move(v));
    };
    auto sink = video_sink::open(writer(), a.target,
                                 [this, target = a.target](const error& e) { report_failure(target, e, true); });
    if (!sink) return tl::unexpected(std::move(sink.error()));
    videos_.push_back(std::move(*sink));
    ++takers_;
    return {};
}

result<void> outputs::open_summary() {
    const auto path = request_.out / "summary.json";
    FACEFLOW_ASSIGN(auto file, part_file::create(path, token_));
    // Not every file system can reserve space; but if the disk is already full, report it before any work is done.
    if (::fallocate(file.descriptor(), FALLOC_FL_KEEP_SIZE, 0, summary_reserve) != 0 &&
        (errno == ENOSPC || errno == EDQUOT)) {
        const int code = errno;
        file.discard();
        return fail(errc::io, explain_io("write", path, code));
    }
    summary_.emplace(std::move(file));
    return {};
}

result<void> outputs::start_keepers() {
    const auto tell = [this](const error& e) { request_.note(e.message); };
    FACEFLOW_ASSIGN(
        flusher_,
        start_jthread(
            "flushing rows",
            [this](const std::stop_token& over) { every(flush_period, over, [this] { flush_rows(); }); }, tell));
    FACEFLOW_ASSIGN(
        syncer_, start_jthread(
                     "keeping outputs on the disk",
                     [this](const std::stop_token& over) { every(sync_period, over, [this] { sync_all(); }); }, tell));
    return {};
}

void outputs::end_keepers() noexcept {
    for (auto* keeper : {&flusher_, &syncer_})
        keeper->request_stop();
    for (auto* keeper : {&flusher_, &syncer_}) {
        if (keeper->joinable()) keeper->join();
    }
}

// Skips a writer that is busy or blocked: it flushes its data itself.
void outputs::flush_rows() {
    for (auto& sink : rows_) {
        const std::unique_lock one(sink->mutex, std::try_to_lock);
        if (!one || sink->failed) continue;
        if (auto flushed = sink->writer->file().flush(); !flushed) fail_rows(*sink, flushed.error());
    }
}

// A slow disk delays this thread, but no frame.
void outputs::sync_all() {
    for (auto& sink : rows_) {
        const auto synced = sink->writer->file().sync();
        if (synced) continue;
        const std::lock_guard one(sink->mutex);
        if (!sink->failed) fail_rows(*sink, synced.error());
    }
    for (auto& video : videos_) {
        // The video's own thread reports the error at its next write.
        [[maybe_unused]] const auto synced = video->sync();
    }
}

row_formatter::rows outputs::rows_of(const frame_faces& faces, const std::string& input) const {
    row_formatter::rows all;
    all.reserve(rows_.size());
    for (const auto& sink : rows_) {
        all.push_back(caught_result("writing rows",
                                    [&]() -> result<std::string> { return sink->writer->rows_of(faces, input); }));
    }
    return all;
}

// If there was no memory for a row, the file lacks it and is incomplete.
void outputs::append_rows(const result<row_formatter::rows>& rows) {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
        row_sink& sink = *rows_[i];
        const std::lock_guard one(sink.mutex);
        if (sink.failed) continue;
        const error* const lost = !rows ? &rows.error() : !(*rows)[i] ? &(*rows)[i].error() : nullptr;
        const auto written = lost != nullptr
                                 ? result<void>(tl::unexpected(*lost))
                                 : caught_result("writing rows", [&] { return sink.writer->append(*(*rows)[i]); });
        if (!written) fail_rows(sink, written.error());
    }
}

void outputs::write(const host_frame& frame, const frame_faces& faces) {
    if (!rows_.empty()) formatter_->put(faces, frame.input);
    if (frame.id.source < videos_.size()) videos_[frame.id.source]->write(frame, faces);
}

// Call it under the sink's lock.
void outputs::fail_rows(row_sink& sink, const error& why) {
    sink.failed = why;
    report_failure(sink.writer->file().target(), why, sink.wanted);
}

void outputs::report_failure(const fs::path& target, const error& why, bool wanted) {
    const bool last = wanted && --takers_ == 0;
    request_.note(request_.out == "-" ? why.message
                                      : fmt::format("{}; what {} holds until now stays, and the run {}", why.message,
                                                    target.filename().string(),
                                                    last ? "ends: no other output is left" : "goes on without it"));
    if (last) none_left_();
}

void outputs::snapshot(const nlohmann::ordered_json& summary) {
    if (!summary_) return;
    std::string text = summary_text(summary);
    struct stat about {};
    // Pad with blanks: the file never shrinks, so that its space stays reserved.
    if (::fstat(summary_->descriptor(), &about) == 0 && static_cast<std::size_t>(about.st_size) > text.size())
        text.resize(static_cast<std::size_t>(about.st_size), ' ');
    [[maybe_unused]] const int written = write_at_start(summary_->descriptor(), text);
}

void outputs::set_aside(const fs::path& target, const error& why, std::optional<fs::path> kept) {
    if (request_.out != "-") {
        notes_.push_back(
            kept ? fmt::format("{} is not whole: what there is of it is {}", target.string(), kept->string())
                 : fmt::format("{} was not written", target.string()));
    }
    unfinished_.push_back({target, why, std::move(kept)});
}

void outputs::finish(const trace* drawn) {
    formatter_->drain();
    end_keepers();
    for (auto& sink : rows_) {
        auto& file = sink->writer->file();
        const bool failed_before = sink->failed.has_value();
        auto path = failed_before ? result<fs::path>(tl::unexpected(*sink->failed)) : sink->writer->commit();
        if (path) {
            if (*path != "/dev/stdout") written_.push_back(std::move(*path));
            continue;
        }
        if (!failed_before) request_.note(path.error().message);
        set_aside(file.target(), path.error(), file.keep());
    }
    for (auto& sink : videos_) {
        auto& video = *sink;
        const bool failed_before = video.failed().has_value();
        auto finished = video.finish();
        if (!finished) {
            if (!failed_before) request_.note(finished.error().message);
            set_aside(video.target(), finished.error(), video.keep());
            continue;
        }
        if (!*finished) continue;
        written_.push_back((*finished)->path);
        for (const auto& note : {(*finished)->note, video.audio_note()}) {
            if (!note.empty()) notes_.push_back(note);
        }
    }
    if (!trace_) return;
    auto path = [&]() -> result<fs::path> {
        FACEFLOW_TRY(drawn->write(*trace_));
        return trace_->commit();
    }();
    if (path) {
        written_.push_back(std::move(*path));
    } else {
        request_.note(path.error().message);
        trace_->discard();  // half a document is useless
        set_aside(request_.trace_file, path.error(), trace_->keep());
    }
}

void outputs::write_summary(const nlohmann::ordered_json& summary) {
    if (!summary_) return;
    const auto target = request_.out / "summary.json";
    const std::string text = summary_text(summary);
    const auto lost = [&](const error& why, std::optional<fs::path> kept) {
        request_.note(why.message);
        set_aside(target, why, std::move(kept));
    };
    if (const int code = write_at_start(summary_->descriptor(), text); code != 0) {
        summary_->discard();  // it mixes the new text with an older one
        return lost({errc::io, explain_io("write", target, code)}, std::nullopt);
    }
    [[maybe_unused]] const int cut = ::ftruncate(summary_->descriptor(), static_cast<off_t>(text.size()));
    auto path = summary_->settle();
    if (!path) return lost(path.error(), summary_->keep());
    written_.push_back(std::move(*path));
}

void outputs::discard() noexcept {
    formatter_->drain();
    end_keepers();
    for (auto& sink : rows_)
        sink->writer->file().discard();
    for (auto& video : videos_)
        video->discard();
    if (trace_) trace_->discard();
    if (summary_) summary_->discard();
}

}  // namespace faceflow::internal
