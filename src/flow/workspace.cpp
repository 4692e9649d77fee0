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
    w.device_ = &on;
    w.max_faces_ = max_faces;
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
    for (std::int64_t n = 1; n <= mesh_batch; ++n) {
        const auto in = bound(models.mesh->inputs().front().name, w.crops_, {n, 3, mesh_input_size, mesh_input_size});
        const std::vector<inference::bound_tensor> out{bound("landmarks", w.mesh_landmarks_, {n, landmark_count, 3}),
                                                       bound("score", w.mesh_scores_, {n, 1})};
        if (auto r = bind(w.mesh_, models.mesh, {in}, out); !r) return tl::unexpected(std::move(r.error()));
    }
    return w;
}

vision::detector_output workspace::detector_outputs(const model_set& models) const {
    std::vector<const float*> addresses;
    for (const auto& b : detector_outputs_)
        addresses.push_back(b.as<const float>());
    return models.outputs_at(addresses);
}

result<vision::result_block*> workspace::results_of(std::uint32_t source) {
    auto at = results_.find(source);
    if (at == results_.end()) {
        auto buffer =
            device_buffer::allocate(device_->pool(), vision::result_block::bytes(static_cast<std::size_t>(max_faces_)));
        if (!buffer) return tl::unexpected(std::move(buffer.error()));
        at = results_.emplace(source, std::move(*buffer)).first;
    }
    return at->second.as<vision::result_block>();
}

}  // namespace faceflow::flow
