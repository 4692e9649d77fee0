// SPDX-License-Identifier: Apache-2.0
#include "flow/models.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "inference/session.hpp"

namespace faceflow::flow {
namespace {

using inference::network_output;
using shape = std::vector<std::int64_t>;

constexpr std::array<int, 3> retinaface_strides{32, 16, 8};

std::string scores_at(int stride) {
    return fmt::format("face_rpn_cls_prob_reshape_stride{}", stride);
}
std::string boxes_at(int stride) {
    return fmt::format("face_rpn_bbox_pred_stride{}", stride);
}
std::string keypoints_at(int stride) {
    return fmt::format("face_rpn_landmark_pred_stride{}", stride);
}

// A model as it lies on the disk, with what its author calls the input.
struct found_model {
    inference::model_entry entry;
    inference::onnx_file file;
};

result<found_model> find(const inference::model_store& store, std::string_view id, std::string input) {
    auto entry = store.entry(id);
    if (!entry) return tl::unexpected(std::move(entry.error()));
    auto path = store.find(*entry);
    if (!path) return tl::unexpected(std::move(path.error()));
    auto sha = inference::sha256_of(*path);
    if (!sha) return tl::unexpected(std::move(sha.error()));
    return found_model{std::move(*entry), {std::move(*path), std::move(*sha), std::move(input)}};
}

// A session on the CPU whose outputs are those that are wanted of one picture.
result<void> check_outputs(const inference::session& s, const inference::model_entry& model, const shape& input,
                           const std::vector<network_output>& wanted) {
    const auto got = s.output_shapes(input);
    if (!got) return tl::unexpected(got.error());
    for (const network_output& w : wanted) {
        const auto at = std::find_if(s.outputs().begin(), s.outputs().end(),
                                     [&](const inference::tensor_info& o) { return o.name == w.name; });
        shape expected{1};
        expected.insert(expected.end(), w.shape.begin(), w.shape.end());
        const bool there = at != s.outputs().end();
        const shape found = there ? (*got)[static_cast<std::size_t>(at - s.outputs().begin())] : shape{};
        if (there && found == expected) continue;
        return fail(
            errc::corrupt,
            fmt::format("the model {} gives {}, where {} of [{}] is wanted: it is not the model that the "
                        "catalogue means; `faceflow models verify` checks the files",
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

// What loading takes beside the model itself.
struct loading {
    const options& chosen;
    const inference::model_store& store;
    device& on;
    const runtime_maker& runtime;
    inference::threading how;
};

// The model on whatever runs it there. `form` is what the ONNX graph wants to see, `outputs` what it gives for `input`.
result<std::shared_ptr<inference::network>> load(const found_model& model, const loading& with,
                                                 const inference::picture_form& form, const shape& input,
                                                 const std::vector<network_output>& outputs) {
    const options& o = with.chosen;
    if (o.inference == inference_backend::native) {
        const auto on_host =
            o.precision == precision::bf16 ? inference::host_precision::bf16 : inference::host_precision::fp32;
        return inference::make_native_network(with.on, model.file.path, model.file.sha256, with.how, on_host);
    }
    auto runtime = with.runtime();
    if (!runtime) return tl::unexpected(std::move(runtime.error()));
    if (!with.on.computes_on_host()) {
        if (auto usable = (*runtime)->check_cuda(); !usable) return tl::unexpected(std::move(usable.error()));
        return (*runtime)->cuda_network(
            model.file, form,
            {o.inference == inference_backend::tensorrt, o.precision == precision::fp16, o.precision == precision::tf32,
             o.engines.empty() ? usual_engine_folder() : o.engines});
    }
    auto session = (*runtime)->load(model.file.path, with.how);
    if (!session) return tl::unexpected(std::move(session.error()));
    if (auto r = check_outputs(**session, model.entry, input, outputs); !r) return tl::unexpected(std::move(r.error()));
    return (*runtime)->host_network(std::move(*session), form);
}

result<void> load_detector(model_set& m, const loading& with) {
    const options& o = with.chosen;
    const bool retinaface = o.detector == detector::retinaface;
    m.kind = retinaface ? vision::detector_kind::retinaface : vision::detector_kind::blazeface;
    m.detect_width = retinaface ? o.detect_width : 192;
    m.detect_height = retinaface ? o.detect_height : 192;
    inference::picture_form form;
    form.scale = retinaface ? 255.0f : 2.0f;
    form.bias = retinaface ? 0.0f : -1.0f;
    const auto found =
        find(with.store, retinaface ? "retinaface_mnet25" : "face_detection_full_range", retinaface ? "data" : "input");
    if (!found) return tl::unexpected(found.error());
    auto network = load(*found, with, form, {1, 3, m.detect_height, m.detect_width}, m.detector_outputs());
    if (!network) return tl::unexpected(std::move(network.error()));
    m.detector = std::move(*network);
    if (retinaface && o.detect_fine_width > 0) {
        auto closer = std::make_shared<model_set>(m);
        closer->detect_width = o.detect_fine_width;
        closer->detect_height = o.detect_fine_height;
        m.fine = std::move(closer);
    }
    m.used.push_back({found->entry.id, found->entry.file, found->file.sha256});
    return {};
}

result<void> load_mesh(model_set& m, const loading& with) {
    const auto found = find(with.store, "face_landmark_with_attention", "input");
    if (!found) return tl::unexpected(found.error());
    auto network = load(*found, with, {}, {1, 3, mesh_input_size, mesh_input_size}, mesh_outputs());
    if (!network) return tl::unexpected(std::move(network.error()));
    m.mesh = std::move(*network);
    m.used.push_back({found->entry.id, found->entry.file, found->file.sha256});
    return {};
}

result<void> choose_on_host(options& o) {
    if (o.inference == inference_backend::cuda || o.inference == inference_backend::tensorrt) {
        return fail(
            errc::invalid_argument,
            fmt::format("--inference {} is for CUDA devices, and this run computes on the CPU: take native (the "
                        "default) or onnxruntime",
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
        if (auto r = inference::check_host_precision(inference::host_precision::bf16); !r) return r;
    }
    if (o.inference == inference_backend::automatic) o.inference = inference_backend::native;
    if (o.precision != precision::bf16) o.precision = precision::fp32;
    return {};
}

}  // namespace

std::vector<network_output> mesh_outputs() {
    return {{"landmarks", {landmark_count, 3}}, {"score", {1}}};
}

inference::picture_form crop_form(const options& chosen) noexcept {
    inference::picture_form form;
    if (chosen.inference == inference_backend::native && chosen.precision == precision::fp16)
        form.format = vision::tensor_format::packed_half;
    return form;
}

std::vector<network_output> model_set::detector_outputs() const {
    if (kind == vision::detector_kind::blazeface) return {{"boxes", {2304, 16}}, {"scores", {2304}}};
    std::vector<network_output> all;
    for (const int stride : retinaface_strides) {
        const std::int64_t rows = detect_height / stride, columns = detect_width / stride;
        all.push_back({scores_at(stride), {4, rows, columns}});
        all.push_back({boxes_at(stride), {8, rows, columns}});
        all.push_back({keypoints_at(stride), {20, rows, columns}});
    }
    return all;
}

vision::detector_output model_set::outputs_of(const inference::bound_network& bound, std::int32_t i) const {
    vision::detector_output o;
    o.kind = kind;
    if (kind == vision::detector_kind::blazeface) {
        o.levels = 1;
        o.level[0] = {bound.output("scores") + i * 2304, bound.output("boxes") + i * 2304 * 16, nullptr, 48, 48, 4};
        return o;
    }
    for (const int stride : retinaface_strides) {
        const std::int32_t columns = detect_width / stride, rows = detect_height / stride;
        const std::ptrdiff_t before = std::ptrdiff_t{i} * columns * rows;
        o.level[o.levels++] = {bound.output(scores_at(stride)) + before * 4,
                               bound.output(boxes_at(stride)) + before * 8,
                               bound.output(keypoints_at(stride)) + before * 20,
                               columns,
                               rows,
                               static_cast<float>(stride)};
    }
    return o;
}

std::vector<std::string> model_set::notes() const {
    std::vector<std::string> all;
    for (const inference::network* n : {detector.get(), mesh.get()}) {
        if (n == nullptr) continue;
        for (auto& note : n->notes())
            all.push_back(std::move(note));
    }
    return all;
}

std::vector<std::filesystem::path> model_set::engine_folders() const {
    std::vector<std::filesystem::path> all;
    for (const inference::network* n : {detector.get(), mesh.get()}) {
        if (n == nullptr) continue;
        for (auto& folder : n->engine_folders())
            all.push_back(std::move(folder));
    }
    return all;
}

result<model_set> load_models(const options& o, const inference::model_store& store, device& on,
                              const runtime_maker& runtime, inference::threading how, model_parts parts) {
    model_set m;
    const loading with{o, store, on, runtime, how};
    if (parts.detector) {
        if (auto r = load_detector(m, with); !r) return tl::unexpected(std::move(r.error()));
    }
    if (parts.mesh) {
        if (auto r = load_mesh(m, with); !r) return tl::unexpected(std::move(r.error()));
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

}  // namespace faceflow::flow
