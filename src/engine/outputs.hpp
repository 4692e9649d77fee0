// SPDX-License-Identifier: Apache-2.0
// All outputs of a run. Each is independent: if one fails, it keeps what it has and the others continue.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "core/output_file.hpp"
#include "core/worker_pool.hpp"
#include "engine/annotated.hpp"
#include "engine/row_formatter.hpp"
#include "engine/run.hpp"
#include "engine/summary.hpp"
#include "engine/video_sink.hpp"
#include "media/result_writer.hpp"
#include "media/source.hpp"
#include "telemetry/trace.hpp"

namespace faceflow::internal {

// What the rows of faces have with these options.
[[nodiscard]] media::row_contents contents_of(const options& chosen) noexcept;

// Creates all files before the first frame, under temporary names (core/part_file.hpp) that share a token, by which
// `faceflow recover` finds them together. Rows reach the system within half a second and the disk within three.
class outputs {
public:
    // errc::invalid_argument for an output that is also an input, or is named twice. `note` is called at once with what
    // happens, on any thread. `none_left` is called when the last output that takes frames has failed. `pool` draws, and
    // outlives the outputs.
    [[nodiscard]] static result<std::unique_ptr<outputs>> open(const run_request& request,
                                                               const std::vector<const media::source_info*>& sources,
                                                               worker_pool& pool, std::stop_token stop,
                                                               std::function<void()> none_left);
    ~outputs();
    outputs(const outputs&) = delete;

    // Call it from one thread at a time; blocks while an output blocks.
    void write(const host_frame& frame, const frame_faces& faces);

    // Saves the current summary, from which `recover` starts if the program is killed. Errors are ignored.
    void snapshot(const nlohmann::ordered_json& summary);

    // Finishes everything but the summary; call it once nothing writes any more. `drawn` may be null.
    void finish(const trace* drawn);

    // Writes the summary, last. No effect with `--out -`.
    void write_summary(const nlohmann::ordered_json& summary);

    // Removes all files: a run without results leaves nothing.
    void discard() noexcept;

    [[nodiscard]] const std::vector<std::filesystem::path>& written() const noexcept { return written_; }
    [[nodiscard]] const std::vector<unfinished_output>& unfinished() const noexcept { return unfinished_; }
    [[nodiscard]] const std::vector<std::string>& notes() const noexcept { return notes_; }  // for the user, at the end

private:
    struct row_sink {
        std::unique_ptr<media::result_writer> writer;
        bool wanted = true;  // a run goes on for it alone
        std::mutex mutex;
        std::optional<error> failed;
    };
    outputs(const run_request& request, worker_pool& pool, std::stop_token stop, std::function<void()> none_left);

    [[nodiscard]] result<void> check_targets(const std::vector<const media::source_info*>& sources);
    [[nodiscard]] result<void> make_folder();
    void report_leftovers();
    [[nodiscard]] result<void> open_all(const std::vector<const media::source_info*>& sources);
    [[nodiscard]] result<void> add_rows(result<std::unique_ptr<media::result_writer>> writer, bool wanted);
    [[nodiscard]] result<void> add_annotated(std::size_t number, const media::source_info& from);
    [[nodiscard]] result<void> open_summary();
    [[nodiscard]] result<void> start_keepers();
    void end_keepers() noexcept;

    void flush_rows();
    void sync_all();
    void fail_rows(row_sink& sink, const error& why);
    [[nodiscard]] row_formatter::rows rows_of(const frame_faces& faces, const std::string& input) const;
    void append_rows(const result<row_formatter::rows>& rows);
    void report_failure(const std::filesystem::path& target, const error& why, bool wanted);
    void set_aside(const std::filesystem::path& target, const error& why, std::optional<std::filesystem::path> kept);

    const run_request& request_;
    worker_pool& pool_;
    const std::stop_token stop_;
    const std::function<void()> none_left_;
    const std::string token_ = make_part_token();
    std::vector<std::unique_ptr<row_sink>> rows_;
    std::vector<annotated_target> annotated_;          // by source; empty with --no-video
    std::vector<std::unique_ptr<video_sink>> videos_;  // the same
    std::optional<output_file> trace_;
    std::optional<part_file> summary_;
    std::atomic<std::size_t> takers_{0};  // wanted outputs that have not failed
    std::vector<std::filesystem::path> written_;
    std::vector<unfinished_output> unfinished_;
    std::vector<std::string> notes_;
    std::jthread flusher_, syncer_;
    std::unique_ptr<row_formatter> formatter_;  // last: its threads use the above
};

}  // namespace faceflow::internal
