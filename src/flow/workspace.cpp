#include "flow/workspace.hpp"

#include <functional>
#include <numeric>

namespace faceflow::flow {
namespace {

constexpr std::int64_t crop_elements = std::int64_t{3} * mesh_input_size * mesh_input_size;

std::size_t bytes_of(const std::vector<std::int64_t>& shape) {
    return static_cast<std::size_t>(std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>())) *
           sizeof(float);
}

}  // namespace

result<workspace> workspace::create(device& on, const model_set& models, std::int32_t max_faces) {
    workspace w;
    const auto take = [&](device_buffer& into, std::size_t bytes) -> result<void> {
        auto buffer = device_buffer::allocate(on.pool(), bytes);
        if (!buffer) return tl::unexpected(std::move(buffer.error()));
        into = std::move(*buffer);
        return {};
    };
    const std::vector<std::int64_t> input{1, 3, models.detect_height, models.detect_width};
    const struct {
        device_buffer& into;
        std::size_t bytes;
    } wanted[] = {
        {w.detector_input_, bytes_of(input)},
        {w.scratch_, sizeof(vision::detect_scratch)},
        {w.faces_, vision::detection_set::bytes(static_cast<std::size_t>(max_faces))},
        {w.crops_, mesh_batch * crop_elements * sizeof(float)},
        {w.mesh_landmarks_, std::size_t{mesh_batch} * landmark_count * 3 * sizeof(float)},
        {w.mesh_scores_, mesh_batch * sizeof(float)},
    };
    for (const auto& x : wanted) {
        if (auto r = take(x.into, x.bytes); !r) return tl::unexpected(std::move(r.error()));
    }
    w.detector_outputs_.resize(models.detector_shapes.size());
    for (std::size_t i = 0; i < models.detector_shapes.size(); ++i) {
        if (auto r = take(w.detector_outputs_[i], bytes_of(models.detector_shapes[i])); !r)
            return tl::unexpected(std::move(r.error()));
    }

    const auto bound = [&](const std::string& name, const device_buffer& b, std::vector<std::int64_t> shape) {
        return inference::bound_tensor{name, reinterpret_cast<float*>(on.kernel_address(b.data())), std::move(shape)};
    };
    const auto bind = [](std::vector<inference::binding>& into, const std::shared_ptr<inference::session>& model,
                         const std::vector<inference::bound_tensor>& in,
                         const std::vector<inference::bound_tensor>& out) -> result<void> {
        auto b = inference::binding::create(model, in, out);
        if (!b) return tl::unexpected(std::move(b.error()));
        into.push_back(std::move(*b));
        return {};
    };
    std::vector<inference::bound_tensor> outputs;
    for (std::size_t i = 0; i < models.detector_shapes.size(); ++i) {
        outputs.push_back(bound(models.detector->outputs()[i].name, w.detector_outputs_[i], models.detector_shapes[i]));
    }
    if (auto r = bind(w.detector_, models.detector,
                      {bound(models.detector->inputs().front().name, w.detector_input_, input)}, outputs);
        !r) {
        return tl::unexpected(std::move(r.error()));
    }
    // The mesh model on `n` crops from crop `first` on.
    const auto bind_mesh = [&](std::vector<inference::binding>& into, std::int64_t first, std::int64_t n) {
        const auto at = [&](const device_buffer& b, std::int64_t elements) {
            return reinterpret_cast<float*>(on.kernel_address(b.data())) + first * elements;
        };
        const inference::bound_tensor in{
            models.mesh->inputs().front().name, at(w.crops_, crop_elements), {n, 3, mesh_input_size, mesh_input_size}};
        const std::vector<inference::bound_tensor> out{
            {"landmarks", at(w.mesh_landmarks_, landmark_count * 3), {n, landmark_count, 3}},
            {"score", at(w.mesh_scores_, 1), {n, 1}}};
        return bind(into, models.mesh, {in}, out);
    };
    for (std::int64_t i = 0; i < mesh_batch; ++i) {
        if (auto r = bind_mesh(w.mesh_, 0, i + 1); !r) return tl::unexpected(std::move(r.error()));
        if (auto r = bind_mesh(w.mesh_alone_, i, 1); !r) return tl::unexpected(std::move(r.error()));
    }
    return w;
}

vision::detector_output workspace::detector_outputs(const model_set& models) const {
    std::vector<const float*> addresses;
    for (const auto& b : detector_outputs_)
        addresses.push_back(b.as<const float>());
    return models.outputs_at(addresses);
}

}  // namespace faceflow::flow
