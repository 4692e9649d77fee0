// SPDX-License-Identifier: Apache-2.0
#include "analysis/engine_gate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <system_error>

#include "analysis/clip.hpp"
#include "analysis/compare.hpp"
#include "analysis/trial.hpp"
#include "core/try.hpp"
#include "engine/engine.hpp"
#include "frame/layout.hpp"
#include "inference/session.hpp"

namespace faceflow::internal::analysis {
namespace {

using faces_by_sequence = std::map<std::uint64_t, frame_faces>;

// Checks first, because building takes minutes.
result<void> check_tensorrt(options chosen) {
    chosen.inference = inference_backend::automatic;  // valid on any device
    FACEFLOW_ASSIGN(const auto with, runtime_context::open(chosen));
    if (const auto kind = with->devices.front()->kind(); kind != device_kind::cuda) {
        return fail(errc::unavailable,
                    fmt::format("TensorRT's engines are for CUDA devices, and this run is on {}", name(kind)));
    }
    const auto runtime = inference::runtime::create({chosen.threads});
    return runtime.and_then([](const auto& on) { return on->check_tensorrt(); });
}

// Engines are built when the models are loaded; if TensorRT learns some input sizes only later, in the first run, which
// uses a grey frame.
result<std::vector<std::filesystem::path>> build(const options& chosen) {
    options live = chosen;
    live.pacing = pacing::live;
    result<void> ran;
    FACEFLOW_ASSIGN(auto engine,
                    face_engine::create({live, [&ran](const host_frame&, const result<frame_faces>& found) {
                                             if (!found) ran = tl::unexpected(found.error());
                                         }}));
    host_frame grey;
    grey.picture.format = pixel_format::gray8;
    grey.picture.width = 640;
    grey.picture.height = 384;
    const std::vector<std::byte> pixels(std::size_t{640} * 384, std::byte{128});
    grey.picture = packed_at(grey.picture, pixels.data());
    engine->begin_source(0);
    FACEFLOW_TRY(engine->submit(grey));
    engine->end_source(0);
    engine->drain();
    if (!ran) return tl::unexpected(std::move(ran.error()));
    return engine->engine_folders();
}

result<faces_by_sequence> faces_with(const options& chosen, const std::vector<host_frame>& frames,
                                     const std::atomic<bool>& stop) {
    compare_row row;
    FACEFLOW_ASSIGN(auto done, trial(chosen, frames, stop).all_at_once([](std::uint64_t) {}, row));
    return std::move(done.faces);
}

double largest_difference(const faces_by_sequence& wanted, const faces_by_sequence& got) {
    if (wanted.size() != got.size()) return infinity;
    double largest = 0;
    for (const auto& [sequence, faces] : wanted) {
        const auto at = got.find(sequence);
        largest = std::max(largest, at == got.end() ? infinity : difference_between(faces, at->second).largest_px);
    }
    return largest;
}

}  // namespace

result<gate_report> build_engines(const gate_request& wanted, const std::atomic<bool>& stop,
                                  const std::function<void(const std::string&)>& note) {
    options chosen = wanted.chosen;
    chosen.inference = inference_backend::tensorrt;
    if (chosen.precision == precision::fp16 && wanted.input.empty()) {
        return fail(errc::invalid_argument,
                    "engines in fp16 are checked before they are used: give a clip with faces by --check");
    }
    FACEFLOW_TRY(check_tensorrt(chosen));
    clip shown;
    if (!wanted.input.empty()) {
        FACEFLOW_ASSIGN(shown, decode({wanted.input, wanted.limit, 0, max_decoded_bytes}, stop, [](std::uint64_t) {}));
    }
    note("building engines; this takes minutes the first time");
    FACEFLOW_ASSIGN(auto folders, build(chosen));
    gate_report done{std::move(folders), shown.frames.size(), 0};
    if (shown.frames.empty()) return done;
    note(fmt::format("checking them on {} frames", shown.frames.size()));
    options single = chosen;
    single.inference = inference_backend::cuda;
    single.precision = precision::fp32;
    FACEFLOW_ASSIGN(auto reference, faces_with(single, shown.frames, stop));
    FACEFLOW_ASSIGN(auto faces, faces_with(chosen, shown.frames, stop));
    done.largest_px = largest_difference(reference, faces);
    if (done.largest_px <= wanted.tolerance_px) return done;
    for (const auto& folder : done.folders) {
        std::error_code ignored;
        std::filesystem::remove_all(folder, ignored);
    }
    return fail(
        errc::internal,
        fmt::format("the engines in {} find {}, where {:.2f} px is allowed; they are removed: use fp32, or another "
                    "TensorRT",
                    name(chosen.precision),
                    std::isfinite(done.largest_px)
                        ? fmt::format("landmarks {:.2f} px from those of fp32", done.largest_px)
                        : std::string("other faces than fp32"),
                    wanted.tolerance_px));
}

}  // namespace faceflow::internal::analysis
