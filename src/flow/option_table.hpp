// SPDX-License-Identifier: Apache-2.0
// Every option of an engine, described once. Made of this table: the check of values, what goes to stage processes (all of
// it), the options of the command line with help, manual and completions, and the keys of configuration files. A new option
// is a member of struct options (or tuning_options) and a row here; without the row it does not compile.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/option_names.hpp"
#include "faceflow/options.hpp"
#include "faceflow/result.hpp"
#include "vision/records.hpp"

namespace faceflow::internal::flow {

// As help sorts them. Those of `tuning` stand last there, and may stand under [tuning] in a configuration file.
enum class option_group : std::uint8_t { engine, memory, processes, faces, tuning };
[[nodiscard]] std::string_view title(option_group group) noexcept;

using word_list = std::span<const std::string_view>;

template <class T>
struct option_range {
    T least, most;  // both are allowed
};
template <class T>
option_range(T, T) -> option_range<T>;

// `Path` leads from options to the member: one pointer to a member, or two for one of a struct in it.
template <auto... Path>
struct option_row {
    template <class Options>
    [[nodiscard]] static constexpr auto& of(Options& o) noexcept {
        return (o.*....*Path);
    }
    using value_type = std::remove_cvref_t<decltype((std::declval<options&>().*....*Path))>;
    // What its limits are numbers of; nothing has none.
    using number =
        std::conditional_t<std::is_arithmetic_v<value_type> && !std::is_same_v<value_type, bool>, value_type, char>;

    std::string_view name;  // the member's; stages and errors know the option by it
    option_group group = option_group::engine;
    std::string_view help = {};
    std::string_view value = {};  // what stands for the value in help, where `words` do not
    word_list words = {};         // all that there are to choose from; of an enum in its order
    std::optional<option_range<number>> range = {};
    std::string_view must = {};                    // what the range means, where "be from … to …" says it badly
    bool (*unused)(const options&) noexcept = {};  // whether the value means nothing, and so may be out of range
    // The command line's option, where that is not named as the member is. That of several members is described by the
    // first; without help it is none of the engine's.
    std::string_view flag = {};
    std::string_view part = {};  // what of the value of `flag` this is
};

namespace option_tests {
constexpr bool sized_by_frames(const options& o) noexcept {
    return o.detect_width == 0 && o.detect_height == 0;
}
constexpr bool tiles_by_frames(const options& o) noexcept {
    return o.tiles == 0 || o.tiles == -1;
}
}  // namespace option_tests

// clang-format off: a row reads better when its texts stay whole
inline constexpr std::tuple option_table{
    option_row<&options::device>{
        .name = "device",
        .help = "where to compute: auto, cpu, cuda, cuda:I,J,..., cuda:all or emulated[:N]; auto: the first GPU that "
                "can run the models, else the CPU; with several devices, sources are spread by load",
        .value = "DEVICE"},
    option_row<&options::flow>{
        .name = "flow",
        .help = "how stages are joined: in one process (fused, threaded) or in several (shared, cached, copied)",
        .words = option_names::flow},
    option_row<&options::pacing>{.name = "pacing", .words = option_names::pacing, .flag = "live"},
    option_row<&options::threads>{.name = "threads",
                                  .help = "CPU threads for computing; 0: one per core",
                                  .value = "N",
                                  .range = option_range{0, 1024}},
    option_row<&options::device_memory>{
        .name = "device_memory", .help = "maximum device memory to use, such as 512M or 2G", .value = "BYTES"},
    option_row<&options::inference>{
        .name = "inference",
        .help = "what runs models: faceflow's own kernels (native), or ONNX Runtime, if the build has it, with its "
                "CUDA or TensorRT provider on CUDA devices, if installed; auto: native, except cuda for fp32 and tf32 "
                "on CUDA devices, and ONNX Runtime for a model without a plan",
        .words = option_names::inference},
    option_row<&options::precision>{
        .name = "precision",
        .help = "number format that models compute in; auto: fp32, on CUDA devices fp16 with sums in fp32 (native); "
                "bf16: on CPUs with AVX512_BF16, most products in bfloat16 with sums in fp32 (native); `faceflow "
                "models build-engines` checks TensorRT's fp16 against fp32",
        .words = option_names::precision},
    option_row<&options::engines>{.name = "engines",
                                  .help = "folder for TensorRT engines; default: faceflow/engines in your cache folder",
                                  .value = "DIR"},
    option_row<&options::models>{.name = "models", .help = "folder to look for models in first", .value = "DIR"},

    option_row<&options::link>{.name = "link",
                               .group = option_group::memory,
                               .help = "the link between the host and emulated devices",
                               .words = option_names::link},
    option_row<&options::verify_ledger>{
        .name = "verify_ledger",
        .group = option_group::memory,
        .help = "let the devices count transfers as well (CUPTI on CUDA), and warn if the ledger differs"},

    option_row<&options::stage_restarts>{.name = "stage_restarts",
                                         .group = option_group::processes,
                                         .help = "how often a stage process that died may be restarted within 10 s",
                                         .value = "N",
                                         .range = option_range{0, 1000000}},
    option_row<&options::stage_timeout>{.name = "stage_timeout",
                                        .group = option_group::processes,
                                        .help = "how long a stage process that has work may sleep, or compute beyond "
                                                "the longest time that a frame has taken, before it is restarted",
                                        .value = "SECONDS",
                                        .range = option_range{0.05, 3600.0}},

    option_row<&options::detector>{
        .name = "detector",
        .group = option_group::faces,
        .help =
            "model that finds faces; the weights of retinaface are for research only, blazeface is free for any use; "
            "so is blazeface-short, for few people near the camera, once `faceflow models import` has made it",
        .words = option_names::detector},
    option_row<&options::detect_width>{
        .name = "detect_width",
        .group = option_group::faces,
        .help = "size to which a frame is scaled for RetinaFace, in multiples of 32; a larger size finds smaller "
                "faces. auto: the frame's aspect ratio with as many pixels as 640x384",
        .value = "auto|WxH",
        .range = option_range{64, 4096},
        .unused = option_tests::sized_by_frames,
        .flag = "detect-size",
        .part = "the width of "},
    option_row<&options::detect_height>{.name = "detect_height",
                                        .group = option_group::faces,
                                        .range = option_range{64, 4096},
                                        .unused = option_tests::sized_by_frames,
                                        .flag = "detect-size",
                                        .part = "the height of "},
    option_row<&options::tiles>{.name = "tiles",
                                .group = option_group::faces,
                                .help = "also search the frame at SCALE times its own size, in overlapping tiles, for "
                                        "small faces (RetinaFace); auto: in pictures, not in videos",
                                .value = "auto|off|SCALE",
                                .range = option_range{0.1f, 8.0f},
                                .unused = option_tests::tiles_by_frames},
    option_row<&options::detect>{
        .name = "detect",
        .group = option_group::faces,
        .help = "when to detect faces in a video, in which known faces are followed by their meshes; auto: at the "
                "start, when a face is lost, and every 200 ms for new ones; always: in every frame; independent: in "
                "every frame, with no face followed or tracked from one frame to the next",
        .words = option_names::detect},
    option_row<&options::detect_every>{.name = "detect_every",
                                       .group = option_group::faces,
                                       .help = "detect in every Nth frame; 0: as --detect says",
                                       .value = "N",
                                       .range = option_range{0, 1000}},
    option_row<&options::max_faces>{.name = "max_faces",
                                    .group = option_group::faces,
                                    .help = "maximum number of faces in a frame; the best ones are kept",
                                    .value = "N",
                                    .range = option_range{1, 1000}},
    option_row<&options::min_score>{.name = "min_score",
                                    .group = option_group::faces,
                                    .help = "minimum score of the detector, 0.01 to 1",
                                    .value = "P",
                                    .range = option_range{0.01f, 1.0f}},
    option_row<&options::landmarks>{
        .name = "landmarks",
        .group = option_group::faces,
        .help = "model for the 478 landmarks; attention: MediaPipe's attention mesh; v2: the mesh of its "
                "FaceLandmarker, with 52 blendshapes, once `faceflow models import` has made it",
        .words = option_names::landmarks},
    option_row<&options::min_presence>{.name = "min_presence",
                                       .group = option_group::faces,
                                       .help = "minimum confidence of the landmark model that it sees a face, 0 to 1",
                                       .value = "P",
                                       .range = option_range{0.0f, 1.0f}},
    option_row<&options::smooth>{
        .name = "smooth", .group = option_group::faces, .help = "smooth faces over time with a one-euro filter"},
    option_row<&options::smooth_strength>{
        .name = "smooth_strength",
        .group = option_group::faces,
        .help = "how strongly --smooth filters, 0.1 to 10; the lag grows in proportion",
        .value = "S",
        .range = option_range{0.1f, 10.0f}},
    option_row<&options::focal_length>{
        .name = "focal_length",
        .group = option_group::faces,
        .help = "focal length of the camera in pixels, for distances; 0: assume a vertical field of view of 63 degrees",
        .value = "PX",
        .range = option_range{0.0f, std::numeric_limits<float>::infinity()},
        .must = "be a number of pixels, or 0 (unknown)"},
    option_row<&options::baseline>{
        .name = "baseline",
        .group = option_group::faces,
        .help = "also write how far eyes, mouth and brows are from what they were in this many first seconds of their "
                "track; 0: no such values",
        .value = "SECONDS",
        .range = option_range{0.0, 600.0}},
    option_row<&options::pose_convention>{
        .name = "pose_convention",
        .group = option_group::faces,
        .help =
            "a convention to write the head's pose in beside yaw, pitch and roll, which stay as they are; openface: "
            "pose_Tx to pose_Rz as OpenFace has them, and how fast those angles change",
        .words = option_names::pose_convention},

    option_row<&options::tuning, &tuning_options::cache>{
        .name = "cache",
        .group = option_group::tuning,
        .help = "find uploaded frames by their id instead of uploading them again",
        .words = option_names::on_off},
    option_row<&options::tuning, &tuning_options::cache_ttl>{.name = "cache_ttl",
                                                             .group = option_group::tuning,
                                                             .help = "how long a frame stays in the cache",
                                                             .value = "SECONDS",
                                                             .range = option_range{0.0, 3600.0}},
    option_row<&options::tuning, &tuning_options::cache_bytes>{
        .name = "cache_bytes",
        .group = option_group::tuning,
        .help = "maximum device memory for cached frames, such as 512M",
        .value = "BYTES"},
    option_row<&options::tuning, &tuning_options::batch>{.name = "batch",
                                                         .group = option_group::tuning,
                                                         .help = "crop and mesh all faces of a frame at once",
                                                         .words = option_names::on_off},
    option_row<&options::tuning, &tuning_options::pinned>{.name = "pinned",
                                                          .group = option_group::tuning,
                                                          .help = "stage transfers in page-locked memory",
                                                          .words = option_names::on_off},
    option_row<&options::tuning, &tuning_options::graphs>{
        .name = "graphs",
        .group = option_group::tuning,
        .help = "on CUDA devices, launch a pass as one graph instead of kernel by kernel (fused)",
        .words = option_names::on_off},
    option_row<&options::tuning, &tuning_options::batch_frames>{
        .name = "batch_frames",
        .group = option_group::tuning,
        .help = "number of frames that a pass processes together (fused); 0: 16 on CUDA devices, of all sources (for "
                "live sources, as many as a lane has), else 1, or with a detection in every recorded frame three per "
                "thread",
        .value = "N",
        .range = option_range{0, vision::max_pass_frames}},
    option_row<&options::tuning, &tuning_options::lanes>{
        .name = "lanes",
        .group = option_group::tuning,
        .help = "number of passes that run side by side on each device (fused); 0: on CUDA 2, or one for every 48 live "
                "sources, at most 6; on a CPU 1 when live, else one for each thread",
        .value = "N",
        .range = option_range{0, 16}},
    option_row<&options::tuning, &tuning_options::batch_deadline_ms>{
        .name = "batch_deadline_ms",
        .group = option_group::tuning,
        .help = "how long a pass waits for live frames of more sources although the device is free",
        .value = "MS",
        .range = option_range{0.0, 1000.0}},
};
// clang-format on

// The row of one member: row_of<&options::max_faces>().
template <auto... Path>
[[nodiscard]] constexpr const option_row<Path...>& row_of() noexcept {
    return std::get<option_row<Path...>>(option_table);
}

// visit(row) for each, in the table's order.
template <class Visit>
constexpr void for_each_option(Visit visit) {
    std::apply([&](const auto&... row) { (visit(row), ...); }, option_table);
}

// What of a row does not depend on the member's type.
struct option_facts {
    std::string name;  // as the row has it
    std::string flag;  // of the command line, without dashes; the key of a configuration file
    std::string_view part;
    option_group group = option_group::engine;
    bool declared = false;  // has a flag of its own; else that of another sets it, or one that is not the engine's
};
[[nodiscard]] const option_facts* find_option(std::string_view name);
[[nodiscard]] std::span<const option_facts> all_options();

// errc::invalid_argument naming the option, for the first value that is not in its range or among its words.
[[nodiscard]] result<void> check_values(const options& o);

// The number of a word among `words`; errc::invalid_argument with what there is to choose from, and the nearest of it.
[[nodiscard]] result<std::size_t> find_word(std::string_view name, std::string_view word, word_list words);

// What a word stands for: value_of<&options::flow>("fused"). Errors of find_word.
template <auto... Path>
[[nodiscard]] result<typename option_row<Path...>::value_type> value_of(std::string_view word) {
    using value_type = typename option_row<Path...>::value_type;
    constexpr const auto& row = row_of<Path...>();
    return find_word(row.name, word, row.words).map([](std::size_t n) { return static_cast<value_type>(n); });
}

namespace option_guard {

struct any_value {
    template <class T>
    operator T() const;  // NOLINT(google-explicit-constructor): stands for whatever a member is
};

// How many members an aggregate has.
template <class T, class... Values>
consteval std::size_t members_of() {
    if constexpr (requires { T{Values{}..., any_value{}}; }) {
        return members_of<T, Values..., any_value>();
    } else {
        return sizeof...(Values);
    }
}

// As many rows as members, and none twice: one for each.
consteval bool names_differ() {
    std::vector<std::string_view> names;
    std::apply([&](const auto&... row) { (names.push_back(row.name), ...); }, option_table);
    std::sort(names.begin(), names.end());
    return std::adjacent_find(names.begin(), names.end()) == names.end();
}
static_assert(names_differ(), "two rows of option_table have one name");
static_assert(std::tuple_size_v<decltype(option_table)> == members_of<options>() - 1 + members_of<tuning_options>(),
              "a member of struct options has no row in option_table");

}  // namespace option_guard

}  // namespace faceflow::internal::flow
