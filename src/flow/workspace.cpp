#include "flow/workspace.hpp"

#include <functional>
#include <numeric>

namespace faceflow::flow {
namespace {

constexpr std::int64_t crop_elements = std::int64_t{3} * mesh_input_size * mesh_input_size;

using shape = std::vector<std::int64_t>;

std::int64_t elements_of(const shape& s) {
    return std::accumulate(s.begin(), s.end(), std::int64_t{1}, std::multiplies<>());
}

shape batched(shape one, std::int64_t n) {
    one.front() *= n;
    return one;
}

result<void> take(device& on, device_buffer& into, std::size_t bytes) {
    auto buffer = device_buffer::allocate(on.pool(), bytes);
    if (!buffer) return tl::unexpected(std::move(buffer.error()));
    into = std::move(*buffer);
    return {};
}

// A tensor where the runtime finds it.
inference::bound_tensor bound(device& on, const std::string& name, const float* at, shape s) {
    auto* address = reinterpret_cast<std::byte*>(const_cast<float*>(at));
    return {name, reinterpret_cast<float*>(on.kernel_address(address)), std::move(s)};
}

result<void> bind(std::vector<inference::binding>& into, const std::shared_ptr<inference::session>& model,
                  const std::vector<inference::bound_tensor>& in, const std::vector<inference::bound_tensor>& out) {
    auto b = inference::binding::create(model, in, out);
    if (!b) return tl::unexpected(std::move(b.error()));
    into.push_back(std::move(*b));
    return {};
}

}  // namespace

std::size_t pass_shape::set_bytes() const {
    constexpr std::size_t line = 64;
    return (vision::detection_set::bytes(static_cast<std::size_t>(max_faces)) + line - 1) / line * line;
}

std::size_t pass_shape::results_bytes() const {
    return vision::pass_results::bytes(frames, frames * max_faces + mesh_faces - 1);
}

result<detector_memory> detector_memory::create(device& on, const model_set& models, std::int32_t frames) {
    detector_memory m;
    const auto n = static_cast<std::size_t>(frames);
    const shape input{1, 3, models.detect_height, models.detect_width};
    const auto bytes_of = [](const shape& s) { return static_cast<std::size_t>(elements_of(s)) * sizeof(float); };
    if (auto r = take(on, m.input_, n * bytes_of(input)); !r) return tl::unexpected(std::move(r.error()));
    if (auto r = take(on, m.scratch_, n * sizeof(vision::detect_scratch)); !r)
        return tl::unexpected(std::move(r.error()));
    m.outputs_.resize(models.detector_shapes.size());
    for (std::size_t i = 0; i < m.outputs_.size(); ++i) {
        if (auto r = take(on, m.outputs_[i], n * bytes_of(models.detector_shapes[i])); !r)
            return tl::unexpected(std::move(r.error()));
    }
    for (std::int64_t k = 1; k <= frames; ++k) {
        std::vector<inference::bound_tensor> outputs;
        for (std::size_t i = 0; i < m.outputs_.size(); ++i) {
            outputs.push_back(bound(on, models.detector->outputs()[i].name, m.outputs_[i].as<float>(),
                                    batched(models.detector_shapes[i], k)));
        }
        const auto in = bound(on, models.detector->inputs().front().name, m.input(), batched(input, k));
        if (auto r = bind(m.bindings_, models.detector, {in}, outputs); !r) return tl::unexpected(std::move(r.error()));
    }
    return m;
}

vision::detector_output detector_memory::outputs(const model_set& models, std::int32_t i) const {
    std::vector<const float*> addresses;
    for (std::size_t k = 0; k < outputs_.size(); ++k)
        addresses.push_back(outputs_[k].as<const float>() + i * elements_of(models.detector_shapes[k]));
    return models.outputs_at(addresses);
}

std::size_t mesh_memory::crops_bytes(std::int32_t faces) {
    return static_cast<std::size_t>(faces) * crop_elements * sizeof(float);
}

result<mesh_memory> mesh_memory::create(device& on, const model_set& models, std::int32_t faces, float* crops) {
    mesh_memory m;
    const auto n = static_cast<std::size_t>(faces);
    if (crops == nullptr) {
        if (auto r = take(on, m.own_crops_, crops_bytes(faces)); !r) return tl::unexpected(std::move(r.error()));
        crops = m.own_crops_.as<float>();
    }
    m.crops_ = crops;
    if (auto r = take(on, m.landmarks_, n * landmark_count * 3 * sizeof(float)); !r)
        return tl::unexpected(std::move(r.error()));
    if (auto r = take(on, m.scores_, n * sizeof(float)); !r) return tl::unexpected(std::move(r.error()));

    // The mesh model on `count` crops from crop `first` on.
    const auto bind_to = [&](std::vector<inference::binding>& into, std::int64_t first, std::int64_t count) {
        const auto in = bound(on, models.mesh->inputs().front().name, crops + first * crop_elements,
                              {count, 3, mesh_input_size, mesh_input_size});
        return bind(into, models.mesh, {in},
                    {bound(on, "landmarks", m.landmarks() + first * landmark_count * 3, {count, landmark_count, 3}),
                     bound(on, "score", m.scores() + first, {count, 1})});
    };
    for (std::int64_t i = 0; i < faces; ++i) {
        if (auto r = bind_to(m.batch_, 0, i + 1); !r) return tl::unexpected(std::move(r.error()));
        if (auto r = bind_to(m.alone_, i, 1); !r) return tl::unexpected(std::move(r.error()));
    }
    return m;
}

result<workspace> workspace::create(device& on, const model_set& models, const pass_shape& shape) {
    workspace w;
    w.shape_ = shape;
    auto detector = detector_memory::create(on, models, shape.frames);
    if (!detector) return tl::unexpected(std::move(detector.error()));
    w.detector_ = std::move(*detector);
    auto mesh = mesh_memory::create(on, models, shape.mesh_faces);
    if (!mesh) return tl::unexpected(std::move(mesh.error()));
    w.mesh_ = std::move(*mesh);
    if (auto r = take(on, w.faces_, static_cast<std::size_t>(shape.frames) * shape.set_bytes()); !r)
        return tl::unexpected(std::move(r.error()));
    if (auto r = take(on, w.results_, shape.results_bytes()); !r) return tl::unexpected(std::move(r.error()));
    return w;
}

vision::detection_set* workspace::faces(std::int32_t i) const {
    return reinterpret_cast<vision::detection_set*>(faces_.data() + static_cast<std::size_t>(i) * shape_.set_bytes());
}

}  // namespace faceflow::flow
