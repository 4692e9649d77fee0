// SPDX-License-Identifier: Apache-2.0
#include "flow/stages/models.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "backends/back_end.hpp"
#include "core/try.hpp"
#include "inference/session.hpp"
#include "vision/blendshapes.hpp"

namespace faceflow::internal::flow {
namespace {

using inference::network_output;
using shape = std::vector<std::int64_t>;

// Outputs of detectors per anchor: RetinaFace has 2 scores, 4 box and 10 keypoint values; BlazeFace one row with a box
// and 6 keypoints.
constexpr std::int32_t retinaface_anchors = 2, blazeface_numbers = 16;

// A model file and its catalogue entry.
struct found_model {
    inference::model_entry entry;
    inference::onnx_file file;
};

result<found_model> find(const inference::model_store& store, std::string_view id, std::string_view role) {
    FACEFLOW_ASSIGN(auto entry, store.entry(id));
    if (entry.role != role) {
        return fail(
            errc::invalid_argument,
            fmt::format("the catalogue lists {} as a model for {}, but it is used for {}", id, entry.role, role));
    }
    FACEFLOW_ASSIGN(auto path, store.find(entry));
    FACEFLOW_ASSIGN(auto sha, inference::sha256_of(path));
    if (!entry.bundle.empty() && sha != entry.sha256) {
        return fail(
            errc::corrupt,
            fmt::format("{} is not the model {} that this version of faceflow knows; `faceflow models import {}` "
                        "makes it again",
                        path.string(), entry.id, entry.bundle));
    }
    std::string input = entry.graph.input;
    return found_model{std::move(entry), {std::move(path), std::move(sha), std::move(input)}};
}

// Checks that a CPU session has the outputs in `wanted`, each for one picture.
result<void> check_outputs(const inference::session& s, const inference::model_entry& model, const shape& input,
                           const std::vector<network_output>& wanted) {
    FACEFLOW_ASSIGN(const auto got, s.output_shapes(input));
    for (const network_output& w : wanted) {
        const auto at = std::find_if(s.outputs().begin(), s.outputs().end(),
                                     [&](const inference::tensor_info& o) { return o.name == w.name; });
        shape expected{1};
        expected.insert(expected.end(), w.shape.begin(), w.shape.end());
        const bool there = at != s.outputs().end();
        const shape found = there ? got[static_cast<std::size_t>(at - s.outputs().begin())] : shape{};
        if (there && found == expected) continue;
        return fail(
            errc::corrupt,
            fmt::format("the model {} has {}, but needs {} of [{}]: it is not the model that the catalogue describes; "
                        "`faceflow models verify` checks the files",
                        model.file, there ? fmt::format("an output of [{}]", fmt::join(found, ", ")) : "no such output",
                        w.name, fmt::join(expected, ", ")));
    }
    return {};
}

std::filesystem::path usual_engine_folder() {
    const char* const cache = std::getenv("XDG_CACHE_HOME");
    if (cache != nullptr && *cache == '/') return std::filesystem::path(cache) / "faceflow/engines";
    const char* const home = std::getenv("HOME");
    return std::filesystem::path(home != nullptr ? home : "/tmp") / ".cache/faceflow/engines";
}

// Loads the model for the chosen engine. `form` is the input that the ONNX graph expects, `outputs` its outputs for
// `input`.
result<std::shared_ptr<inference::network>> load(const found_model& model, const model_loading& with,
                                                 const inference::picture_form& form, const shape& input,
                                                 const std::vector<network_output>& outputs) {
    const options& o = with.chosen;
    if (o.inference == inference_backend::native) {
        const auto on_host =
            o.precision == precision::bf16 ? inference::host_precision::bf16 : inference::host_precision::fp32;
        return make_native_network(with.on, {model.file.path, model.file.sha256, with.how, on_host});
    }
    FACEFLOW_ASSIGN(auto runtime, with.runtime());
    if (!with.on.computes_on_host()) {
        FACEFLOW_TRY(runtime->check_cuda());
        return runtime->cuda_network(
            model.file, form,
            {o.inference == inference_backend::tensorrt, o.precision == precision::fp16, o.precision == precision::tf32,
             o.engines.empty() ? usual_engine_folder() : o.engines});
    }
    FACEFLOW_ASSIGN(auto session, runtime->load(model.file.path, with.how));
    FACEFLOW_TRY(check_outputs(*session, model.entry, input, outputs));
    return runtime->host_network(std::move(session), form);
}

std::string_view detector_id(detector which) {
    switch (which) {
        case detector::retinaface: break;
        case detector::blazeface: return "face_detection_full_range";
        case detector::blazeface_short: return "face_detection_short_range";
    }
    return "retinaface_mnet25";
}

result<void> load_detector(model_set& m, const model_loading& with) {
    const options& o = with.chosen;
    const bool retinaface = o.detector == detector::retinaface;
    m.kind = retinaface ? vision::detector_kind::retinaface : vision::detector_kind::blazeface;
    FACEFLOW_ASSIGN(const auto found, find(with.store, detector_id(o.detector), "detector"));
    const inference::model_graph& graph = m.detector_graph = found.entry.graph;
    m.detect_width = graph.size > 0 ? graph.size : o.detect_width;
    m.detect_height = graph.size > 0 ? graph.size : o.detect_height;
    const inference::picture_form form{.scale = graph.scale, .bias = graph.bias};
    FACEFLOW_ASSIGN(m.detector, load(found, with, form, {1, 3, m.detect_height, m.detect_width}, m.detector_outputs()));
    if (graph.size == 0 && o.tiles > 0) {
        // A larger tile overlaps less of the others; on a GPU a pass of many frames would need too much memory.
        const std::int32_t larger = with.on.computes_on_host() ? 2 : 1;
        auto tiled = std::make_shared<model_set>(m);
        tiled->detect_width *= larger;
        tiled->detect_height *= larger;
        m.of_tiles = std::move(tiled);
    }
    m.used.push_back({found.entry.id, found.entry.file, found.file.sha256});
    return {};
}

std::string_view mesh_id(const options& o) {
    return o.landmarks == landmark_model::v2 ? "face_landmarks_v2" : "face_landmark_with_attention";
}

result<void> load_mesh(model_set& m, const model_loading& with) {
    FACEFLOW_ASSIGN(const auto found, find(with.store, mesh_id(with.chosen), "landmarks"));
    const inference::model_graph& graph = m.mesh_graph = found.entry.graph;
    const inference::picture_form form{.scale = graph.scale, .bias = graph.bias};
    FACEFLOW_ASSIGN(m.mesh, load(found, with, form, {1, 3, graph.size, graph.size}, m.mesh_outputs()));
    // Stage processes that only make crops know the entry alone.
    if (m.mesh->form().scale != form.scale || m.mesh->form().bias != form.bias) {
        return fail(errc::unsupported,
                    fmt::format("the plan of {} takes colours * {} + {}, and the model's entry in the catalogue says "
                                "* {} + {}: give the graph the input that the entry describes",
                                found.entry.id, m.mesh->form().scale, m.mesh->form().bias, form.scale, form.bias));
    }
    m.used.push_back({found.entry.id, found.entry.file, found.file.sha256});
    return {};
}

result<void> load_blendshapes(model_set& m, const model_loading& with) {
    if (with.chosen.inference == inference_backend::tensorrt)
        return fail(errc::unsupported,
                    "TensorRT does not run the blendshape model of --landmarks v2: use --inference native (the "
                    "default) or cuda");
    FACEFLOW_ASSIGN(const auto found, find(with.store, "face_blendshapes", "blendshapes"));
    m.blendshapes_graph = found.entry.graph;
    FACEFLOW_ASSIGN(m.blendshapes, load(found, with, {}, {1, vision::blendshape_points, 2}, m.blendshapes_outputs()));
    m.used.push_back({found.entry.id, found.entry.file, found.file.sha256});
    return {};
}

result<void> choose_on_host(options& o) {
    if (o.inference == inference_backend::cuda || o.inference == inference_backend::tensorrt) {
        return fail(errc::invalid_argument, fmt::format("--inference {} is for CUDA devices, and this run computes on "
                                                        "the CPU: use native (the default) or onnxruntime",
                                                        name(o.inference)));
    }
    if (o.precision == precision::bf16 && o.inference == inference_backend::onnxruntime) {
        return fail(errc::invalid_argument,
                    "ONNX Runtime computes in fp32 on CPUs: --precision bf16 is for --inference native");
    }
    if (o.inference == inference_backend::native && o.precision != precision::automatic &&
        o.precision != precision::fp32 && o.precision != precision::bf16) {
        return fail(errc::invalid_argument,
                    fmt::format("faceflow's own kernels for CPUs compute in fp32 or bf16: --precision {} is for CUDA "
                                "devices",
                                name(o.precision)));
    }
    if (o.precision == precision::bf16) {
        FACEFLOW_TRY(inference::check_host_precision(inference::host_precision::bf16));
    }
    if (o.inference == inference_backend::automatic) o.inference = inference_backend::native;
    if (o.precision != precision::bf16) o.precision = precision::fp32;
    return {};
}

}  // namespace

result<crop_shape> crops_for(const options& chosen, const inference::model_store& store) {
    FACEFLOW_ASSIGN(const auto entry, store.entry(mesh_id(chosen)));
    crop_shape crops{entry.graph.size, {.scale = entry.graph.scale, .bias = entry.graph.bias}};
    if (chosen.inference == inference_backend::native && chosen.precision == precision::fp16)
        crops.form.format = vision::tensor_format::packed_half;
    return crops;
}

std::int32_t model_set::anchors_in_cell(std::int32_t stride) const {
    if (kind == vision::detector_kind::retinaface) return retinaface_anchors;
    // BlazeFace with one level has one; with two, the coarse one holds those of three sizes (MediaPipe's SSD anchors of
    // face_detection_short_range.pbtxt: strides 8, 16, 16, 16, two anchors each).
    if (detector_graph.strides.size() == 1) return 1;
    return stride == detector_graph.strides.front() ? 2 : 6;
}

std::vector<network_output> model_set::detector_outputs() const {
    const auto& graph = detector_graph;
    std::vector<network_output> all;
    for (const std::int32_t stride : graph.strides) {
        const std::int64_t rows = detect_height / stride, columns = detect_width / stride;
        const std::int64_t anchors = rows * columns * anchors_in_cell(stride);
        const std::string scores = graph.output("scores", stride), boxes = graph.output("boxes", stride);
        if (kind == vision::detector_kind::blazeface) {
            all.push_back({boxes, {anchors, blazeface_numbers}});
            all.push_back({scores, {anchors}});
        } else {
            all.push_back({scores, {2 * retinaface_anchors, rows, columns}});
            all.push_back({boxes, {4 * retinaface_anchors, rows, columns}});
            all.push_back({graph.output("keypoints", stride), {10 * retinaface_anchors, rows, columns}});
        }
    }
    return all;
}

vision::detector_output model_set::outputs_of(const inference::bound_network& bound, std::int32_t i) const {
    const auto& graph = detector_graph;
    vision::detector_output o;
    o.kind = kind;
    for (const std::int32_t stride : graph.strides) {
        const std::int32_t columns = detect_width / stride, rows = detect_height / stride;
        const std::int32_t anchors = anchors_in_cell(stride);
        const std::ptrdiff_t before = std::ptrdiff_t{i} * columns * rows;  // cells
        const float* const scores = bound.output(graph.output("scores", stride));
        const float* const boxes = bound.output(graph.output("boxes", stride));
        auto& level = o.level[o.levels++];
        if (kind == vision::detector_kind::blazeface) {
            level.scores = scores + before * anchors;
            level.boxes = boxes + before * anchors * blazeface_numbers;
        } else {
            level.scores = scores + before * 2 * retinaface_anchors;
            level.boxes = boxes + before * 4 * retinaface_anchors;
            level.keypoints = bound.output(graph.output("keypoints", stride)) + before * 10 * retinaface_anchors;
        }
        level.columns = columns;
        level.rows = rows;
        level.anchors = anchors;
        level.stride = static_cast<float>(stride);
    }
    return o;
}

std::vector<network_output> model_set::mesh_outputs() const {
    return {{mesh_graph.output("landmarks"), {landmark_count, 3}}, {mesh_graph.output("score"), {1}}};
}

std::vector<network_output> model_set::blendshapes_outputs() const {
    return {{blendshapes_graph.output("blendshapes"), {blendshape_count}}};
}

std::vector<std::string> model_set::notes() const {
    std::vector<std::string> all;
    for (const inference::network* n : {detector.get(), mesh.get(), blendshapes.get()}) {
        if (n == nullptr) continue;
        for (auto& note : n->notes())
            all.push_back(std::move(note));
    }
    return all;
}

std::vector<std::filesystem::path> model_set::engine_folders() const {
    std::vector<std::filesystem::path> all;
    for (const inference::network* n : {detector.get(), mesh.get(), blendshapes.get()}) {
        if (n == nullptr) continue;
        for (auto& folder : n->engine_folders())
            all.push_back(std::move(folder));
    }
    return all;
}

result<model_set> load_models(const model_loading& with) {
    model_set m;
    if (with.parts.detector) {
        FACEFLOW_TRY(load_detector(m, with));
    }
    if (with.parts.mesh) {
        FACEFLOW_TRY(load_mesh(m, with));
        if (with.chosen.landmarks == landmark_model::v2) {
            FACEFLOW_TRY(load_blendshapes(m, with));
        }
    }
    return m;
}

result<void> choose_inference(options& o, bool on_host) {
    if (on_host) return choose_on_host(o);
    if (o.precision == precision::bf16) {
        return fail(errc::invalid_argument,
                    "on CUDA devices models compute in fp16, fp32 or tf32: --precision bf16 is for --device cpu");
    }
    const bool single = o.precision == precision::fp32 || o.precision == precision::tf32;
    if (o.inference == inference_backend::onnxruntime) o.inference = inference_backend::cuda;
    if (o.inference == inference_backend::automatic)
        o.inference = single ? inference_backend::cuda : inference_backend::native;
    if (o.inference == inference_backend::native && single) {
        return fail(errc::invalid_argument,
                    fmt::format("faceflow's own kernels compute in fp16, with sums in fp32: --precision {} needs "
                                "--inference cuda (ONNX Runtime)",
                                name(o.precision)));
    }
    if (o.inference == inference_backend::cuda && o.precision == precision::fp16) {
        return fail(errc::invalid_argument,
                    "ONNX Runtime's CUDA provider computes in fp32 or tf32: --precision fp16 is for --inference native "
                    "or tensorrt");
    }
    if (o.precision == precision::automatic)
        o.precision = o.inference == inference_backend::native ? precision::fp16 : precision::fp32;
    return {};
}

}  // namespace faceflow::internal::flow
