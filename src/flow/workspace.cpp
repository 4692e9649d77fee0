#include "flow/workspace.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

namespace faceflow::flow {
namespace {

// On a GPU. Smaller steps would not be worth the seconds that each takes to set up: four faces take the mesh model as long as one, and
// sixteen a fifth longer than eight.
constexpr std::int32_t detector_batches[] = {1, 4, 8}, mesh_batches[] = {4, 16, 32};

constexpr std::int64_t crop_elements = std::int64_t{3} * mesh_input_size * mesh_input_size;

using shape = std::vector<std::int64_t>;

std::int64_t elements_of(const shape& s) {
    return std::accumulate(s.begin(), s.end(), std::int64_t{1}, std::multiplies<>());
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
    if (on.computes_on_host()) address = on.kernel_address(address);
    return {name, reinterpret_cast<float*>(address), std::move(s)};
}

}  // namespace

batching batching_on(const device& on) noexcept {
    return on.computes_on_host() ? batching::exact : batching::in_steps;
}

result<batched_model> batched_model::create(batching how, std::span<const std::int32_t> sizes, std::int32_t most,
                                            bind_batch bind) {
    batched_model m;
    m.how_ = how;
    m.bind_ = std::move(bind);
    if (how == batching::in_steps) {
        for (const std::int32_t n : sizes) {
            if (n < most) m.batches_.push_back({n});
        }
        m.batches_.push_back({most});
        return m;
    }
    for (std::int32_t n = 1; n <= most; ++n) {
        m.batches_.push_back({n});
        if (auto bound = m.bind(m.batches_.back()); !bound) return tl::unexpected(std::move(bound.error()));
    }
    return m;
}

result<void> batched_model::bind(batch& b) const {
    if (b.bound) return {};
    auto bound = bind_(b.size);
    if (!bound) return tl::unexpected(std::move(bound.error()));
    b.bound = std::move(*bound);
    return {};
}

// The second run is the first that knows what memory it needs.
constexpr std::int32_t runs_before_graph = 2;
// Something else in the process may have spoilt one, such as the end of another session.
constexpr std::int32_t most_captures = 3;

batched_model::batch& batched_model::batch_holding(std::int32_t n) {
    const auto smallest = std::lower_bound(batches_.begin(), batches_.end(), n,
                                           [](const batch& b, std::int32_t wanted) { return b.size < wanted; });
    const auto ready = std::find_if(smallest, batches_.end(), [](const batch& b) { return b.bound.has_value(); });
    return ready != batches_.end() ? *ready : *smallest;
}

void batched_model::add_run(stream& on, std::int32_t n, bool graphs) {
    add_run(on, batch_holding(n), graphs);
}

void batched_model::add_run(stream& on, batch& b, bool graphs) {
    if (graphs && b.captured != nullptr) {
        on.launch(*b.captured);
        return;
    }
    if (auto there = bind(b); !there) {
        on.enqueue([there] { return there; });
        return;
    }
    on.enqueue([&bound = *b.bound] { return bound.run(); });
    b.runs = std::min(b.runs + 1, runs_before_graph);
    if (graphs && b.runs == runs_before_graph && b.captures < most_captures) capture(on, b);
}

// For the next run of the batch.
void batched_model::capture(stream& on, batch& b) {
    auto captured = on.capture([&]() -> result<void> {
        on.enqueue([&bound = *b.bound] { return bound.run_for_graph(); });
        return {};
    });
    if (captured) {
        b.captured = std::move(*captured);
        return;
    }
    if (captured.error().code == errc::interrupted) return;  // the stream has failed before: another time
    b.captures = captured.error().code == errc::unsupported ? most_captures : b.captures + 1;
    if (b.captures == most_captures && refusal_.empty()) refusal_ = std::move(captured.error().message);
}

void batched_model::warm_up(stream& on, std::int32_t usual, bool every, bool graphs) {
    if (how_ == batching::exact) return;
    const auto* const chosen = every ? nullptr : &batch_holding(usual);
    // The largest first: smaller ones then find memory that is there.
    for (auto b = batches_.rbegin(); b != batches_.rend(); ++b) {
        if (!every && &*b != chosen) continue;
        for (std::int32_t i = 0; i < runs_before_graph + (graphs ? most_captures - 1 : 0); ++i)
            add_run(on, *b, graphs);
    }
}

void warm_up(stream& on, mesh_memory& mesh, std::int32_t usual, bool every, const options& chosen) {
    if (chosen.batch) return mesh.model().warm_up(on, usual, every, chosen.graphs);
    if (on.owner().computes_on_host()) return;
    for (std::int32_t i = 0; i < runs_before_graph; ++i)
        on.enqueue([&mesh] { return mesh.run_alone(0); });
}

std::string without_graph(const batched_model& model) {
    return "a model runs kernel by kernel, and slower, without a CUDA graph: " + model.graph_refusal();
}

std::size_t pass_shape::set_bytes() const {
    constexpr std::size_t line = 64;
    return (vision::detection_set::bytes(static_cast<std::size_t>(max_faces)) + line - 1) / line * line;
}

std::size_t pass_shape::results_bytes() const {
    return vision::pass_results::bytes(frames, records());
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
    std::vector<inference::bound_tensor> outputs;  // for one frame
    for (std::size_t i = 0; i < m.outputs_.size(); ++i) {
        outputs.push_back(
            bound(on, models.detector->any().outputs()[i].name, m.outputs_[i].as<float>(), models.detector_shapes[i]));
    }
    const auto in = bound(on, models.detector->any().inputs().front().name, m.input(), input);
    const auto bind = [detector = models.detector, in, outputs](std::int64_t k) {
        return detector->for_batch(k).and_then([&](auto session) {
            auto its_in = in;
            auto its_outputs = outputs;
            its_in.shape.front() *= k;
            for (auto& o : its_outputs)
                o.shape.front() *= k;
            return inference::binding::create(std::move(session), {&its_in, 1}, its_outputs);
        });
    };
    auto model = batched_model::create(batching_on(on), detector_batches, frames, bind);
    if (!model) return tl::unexpected(std::move(model.error()));
    m.model_ = std::move(*model);
    if (models.fine != nullptr) {
        auto closer = create(on, *models.fine, frames);
        if (!closer) return tl::unexpected(std::move(closer.error()));
        m.fine_ = std::make_unique<detector_memory>(std::move(*closer));
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

std::size_t mesh_memory::landmarks_bytes(std::int32_t faces) {
    return static_cast<std::size_t>(faces) * landmark_count * 3 * sizeof(float);
}

std::size_t mesh_memory::scores_bytes(std::int32_t faces) {
    return static_cast<std::size_t>(faces) * sizeof(float);
}

result<mesh_memory> mesh_memory::create(device& on, const model_set& models, std::int32_t faces, float* crops) {
    mesh_memory m;
    if (crops == nullptr) {
        if (auto r = take(on, m.own_crops_, crops_bytes(faces)); !r) return tl::unexpected(std::move(r.error()));
        crops = m.own_crops_.as<float>();
    }
    m.crops_ = crops;
    if (auto r = take(on, m.landmarks_, landmarks_bytes(faces)); !r) return tl::unexpected(std::move(r.error()));
    if (auto r = take(on, m.scores_, scores_bytes(faces)); !r) return tl::unexpected(std::move(r.error()));

    // The mesh model on `count` crops from crop `first` on.
    m.bind_ = [&on, mesh = models.mesh, crops, landmarks = m.landmarks(), scores = m.scores()](
                  std::int64_t first, std::int64_t count) -> result<inference::binding> {
        auto session = mesh->for_batch(count);
        if (!session) return tl::unexpected(std::move(session.error()));
        const auto in = bound(on, mesh->any().inputs().front().name, crops + first * crop_elements,
                              {count, 3, mesh_input_size, mesh_input_size});
        const inference::bound_tensor out[] = {
            bound(on, "landmarks", landmarks + first * landmark_count * 3, {count, landmark_count, 3}),
            bound(on, "score", scores + first, {count, 1})};
        return inference::binding::create(std::move(*session), {&in, 1}, out);
    };
    auto model = batched_model::create(batching_on(on), mesh_batches, faces,
                                       [bind = m.bind_](std::int64_t count) { return bind(0, count); });
    if (!model) return tl::unexpected(std::move(model.error()));
    m.model_ = std::move(*model);
    m.alone_.resize(static_cast<std::size_t>(faces));
    return m;
}

result<void> mesh_memory::run_alone(std::int32_t i) {
    auto& alone = alone_[static_cast<std::size_t>(i)];
    if (!alone) {
        auto bound = bind_(i, 1);
        if (!bound) return tl::unexpected(std::move(bound.error()));
        alone = std::move(*bound);
    }
    return alone->run();
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
