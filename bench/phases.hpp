// SPDX-License-Identifier: Apache-2.0
// What end_to_end measures: decoding alone, the models alone, and the whole of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "faceflow/result.hpp"
#include "flow/stages/models.hpp"

namespace faceflow::internal::bench {

inline constexpr std::int64_t faces_per_frame = 4;  // of the demo clip

struct decode_cost {
    double seconds = 0;      // from the first frame asked for to the end
    double cpu_seconds = 0;  // of all threads
    std::uint64_t frames = 0;
    double frame_bytes = 0;  // of one native picture
    std::int32_t width = 0, height = 0;
};
[[nodiscard]] result<decode_cost> decode_alone(const std::string& clip, std::uint64_t limit);

// The detector and the mesh model as a run has them: bound once per thread, one thread per core, each on frames of its
// own. Inputs are fixed noise; the arithmetic does not depend on them.
class model_bench {
public:
    [[nodiscard]] static result<std::unique_ptr<model_bench>> create();
    ~model_bench();
    model_bench(const model_bench&) = delete;

    struct cost {
        double seconds = 0;  // wall
        double cpu_seconds = 0;
        std::uint64_t frames = 0;
    };
    [[nodiscard]] result<cost> run(std::uint64_t frames);

private:
    struct lane;
    struct state;
    explicit model_bench(std::unique_ptr<state> s);
    std::unique_ptr<state> state_;
};

struct whole_cost {
    double seconds = 0;       // as summary.json: from the first frame asked for to the last result
    double cpu_seconds = 0;   // of all threads, with opening the clip, loading the models and finishing the files
    double wall_seconds = 0;  // with opening the clip, loading the models and finishing the files
    double others = 0;        // share of the machine's cores that other processes took meanwhile
    std::uint64_t frames = 0, faces = 0, tracks = 0;
    double result_bytes = 0;                                                                          // of faces.ndjson
    double capture_ms = 0, detect_ms = 0, region_ms = 0, landmark_ms = 0, track_ms = 0, sink_ms = 0;  // a frame
};
// As `faceflow run --no-video --format ndjson`, into a folder that is removed afterwards.
[[nodiscard]] result<whole_cost> end_to_end(const std::string& clip, std::uint64_t limit);

// An engine fed with the clip once, as the first thing in this process.
struct first_run {
    double first_result_seconds = 0;       // from the start of the process to the first result in the handler's hands
    double half_bytes = 0, end_bytes = 0;  // peak resident memory, when half of the clip was done and at its end
};
[[nodiscard]] result<first_run> first_pass(const std::string& clip, std::uint64_t limit);

}  // namespace faceflow::internal::bench
