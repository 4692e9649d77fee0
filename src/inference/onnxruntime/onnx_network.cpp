// SPDX-License-Identifier: Apache-2.0
#include "inference/onnxruntime/onnx_network.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "core/try.hpp"
#include "inference/onnxruntime/tensorrt_provider.hpp"

namespace faceflow::internal::inference {
namespace {

using dimensions = std::vector<std::int64_t>;

constexpr std::int64_t colours = 3;

// A session's tensors for `most` pictures, and a binding for each range of them that was run.
class bound_session final : public bound_network {
public:
    static result<std::unique_ptr<bound_network>> create(std::shared_ptr<session> of, device& d,
                                                         const binding_request& wanted) {
        auto b = std::unique_ptr<bound_session>(new bound_session(std::move(of), d, wanted));
        const auto most = static_cast<std::size_t>(wanted.most);
        if (b->input_ == nullptr) {
            FACEFLOW_ASSIGN(b->own_input_, device_buffer::allocate(d.pool(), most * b->picture_bytes()));
            b->input_ = b->own_input_.data();
        }
        for (const network_output& o : b->wanted_.outputs) {
            if (!b->has_output(o.name)) return fail(errc::corrupt, "the model has no output " + o.name);
            auto memory =
                device_buffer::allocate(d.pool(), most * static_cast<std::size_t>(o.length()) * sizeof(float));
            if (!memory) return tl::unexpected(std::move(memory.error()));
            b->outputs_.push_back(std::move(*memory));
        }
        FACEFLOW_TRY(b->binding_of(0, 1));
        return b;
    }

    std::byte* input() const noexcept override { return input_; }

    const float* output(std::string_view name) const noexcept override {
        for (std::size_t i = 0; i < outputs_.size(); ++i) {
            if (wanted_.outputs[i].name == name) return outputs_[i].as<const float>();
        }
        return nullptr;
    }

    void add_run(stream& s, std::int32_t first, std::int32_t n) override {
        s.enqueue([this, &s, first, n]() -> result<void> {
            if (s.capturing() && !device_.computes_on_host())
                return fail(errc::unsupported, "ONNX Runtime's work cannot be part of a graph");
            return run(first, n);
        });
    }

    result<void> run(std::int32_t first, std::int32_t n) override {
        FACEFLOW_ASSIGN(auto bound, binding_of(first, n));
        return bound->run();
    }

private:
    bound_session(std::shared_ptr<session> of, device& d, const binding_request& wanted)
        : of_(std::move(of)),
          device_(d),
          wanted_(wanted),
          input_(wanted.input) {}

    // Of `n` pictures, or sets of points: those have no colours.
    [[nodiscard]] dimensions input_shape(std::int32_t n) const {
        constexpr std::size_t of_points = 3;
        if (of_->inputs().front().shape.size() == of_points) return {n, wanted_.height, wanted_.width};
        return {n, colours, wanted_.height, wanted_.width};
    }
    [[nodiscard]] std::size_t picture_bytes() const {
        std::size_t bytes = sizeof(float);
        for (const std::int64_t d : input_shape(1))
            bytes *= static_cast<std::size_t>(d);
        return bytes;
    }

    // ONNX Runtime's binding reports unknown outputs only when it runs.
    [[nodiscard]] bool has_output(const std::string& name) const {
        return std::any_of(of_->outputs().begin(), of_->outputs().end(),
                           [&](const tensor_info& o) { return o.name == name; });
    }

    // A tensor at the address that ONNX Runtime can access.
    [[nodiscard]] bound_tensor tensor(const std::string& name, std::byte* at, dimensions shape) const {
        if (device_.computes_on_host()) at = device_.kernel_address(at);
        return {name, reinterpret_cast<float*>(at), std::move(shape)};
    }

    result<binding*> binding_of(std::int32_t first, std::int32_t n) {
        auto at = bindings_.find({first, n});
        if (at != bindings_.end()) return at->second.get();
        const auto skipped = static_cast<std::size_t>(first);
        const bound_tensor in = tensor(of_->inputs().front().name, input_ + skipped * picture_bytes(), input_shape(n));
        std::vector<bound_tensor> out;
        for (std::size_t i = 0; i < outputs_.size(); ++i) {
            const network_output& o = wanted_.outputs[i];
            dimensions shape{n};
            shape.insert(shape.end(), o.shape.begin(), o.shape.end());
            out.push_back(tensor(
                o.name, outputs_[i].data() + skipped * static_cast<std::size_t>(o.length()) * sizeof(float), shape));
        }
        FACEFLOW_ASSIGN(auto made, of_->bind({&in, 1}, out));
        at = bindings_.emplace(std::pair{first, n}, std::move(made)).first;
        return at->second.get();
    }

    const std::shared_ptr<session> of_;
    device& device_;
    const binding_request wanted_;
    std::byte* input_;
    device_buffer own_input_;
    std::vector<device_buffer> outputs_;
    std::map<std::pair<std::int32_t, std::int32_t>, std::unique_ptr<binding>> bindings_;  // by first and count
};

class host_network final : public network {
public:
    host_network(std::shared_ptr<session> of, const picture_form& form) : of_(std::move(of)), form_(form) {}
    picture_form form() const noexcept override { return form_; }
    result<std::unique_ptr<bound_network>> bind(stream& s, const binding_request& wanted) override {
        return bound_session::create(of_, s.owner(), wanted);
    }

private:
    const std::shared_ptr<session> of_;
    const picture_form form_;
};

class cuda_onnx_network final : public network {
public:
    cuda_onnx_network(std::shared_ptr<runtime> on, onnx_file model, const picture_form& form, cuda_choice how)
        : runtime_(std::move(on)),
          model_(std::move(model)),
          form_(form),
          how_(std::move(how)) {}

    picture_form form() const noexcept override { return form_; }

    result<std::unique_ptr<bound_network>> bind(stream& s, const binding_request& wanted) override {
        std::optional<tensorrt_plan> plan;
        if (how_.tensorrt) {
            FACEFLOW_ASSIGN(plan, plan_for(s.owner(), wanted));
        }
        FACEFLOW_ASSIGN(auto of,
                        runtime_->load(model_.path, threading::caller,
                                       {.home = &s, .by_tensorrt = plan ? &*plan : nullptr, .tf32 = how_.tf32}));
        remember(of->cpu_fallback_nodes(), plan ? plan->folder : std::filesystem::path());
        return bound_session::create(std::move(of), s.owner(), wanted);
    }

    std::vector<std::string> notes() const override {
        const std::lock_guard lock(mutex_);
        return cpu_fallback_nodes_.empty() ? std::vector<std::string>{} : std::vector{cpu_fallback_nodes_};
    }

    std::vector<std::filesystem::path> engine_folders() const override {
        const std::lock_guard lock(mutex_);
        return folders_;
    }

private:
    // The TensorRT profile: for one picture, a usual batch, the largest.
    result<tensorrt_plan> plan_for(const device& d, const binding_request& wanted) const {
        FACEFLOW_TRY(runtime_->check_tensorrt());
        FACEFLOW_ASSIGN(const auto version, tensorrt_version());
        constexpr std::int32_t usual = 4;
        const auto batch_of = [&](std::int32_t n) { return dimensions{n, colours, wanted.height, wanted.width}; };
        tensorrt_plan p;
        p.half = how_.half;
        p.input = model_.input;
        p.smallest = batch_of(1);
        p.usual = batch_of(std::min(usual, wanted.most));
        p.largest = batch_of(wanted.most);
        const std::string profile = fmt::format("{}-{}-{}", p.smallest.front(), p.usual.front(), p.largest.front());
        p.folder = engine_folder(how_.engines, {d.architecture(), version, model_.sha256, profile, how_.half});
        return p;
    }

    void remember(const std::vector<std::string>& cpu_fallback_nodes, const std::filesystem::path& folder) {
        const std::lock_guard lock(mutex_);
        if (!cpu_fallback_nodes.empty()) {
            cpu_fallback_nodes_ = fmt::format("{}: {} nodes run on the CPU, with transfers that are not counted: {}",
                                              model_.path.filename().string(), cpu_fallback_nodes.size(),
                                              fmt::join(cpu_fallback_nodes, ", "));
        }
        if (!folder.empty() && std::find(folders_.begin(), folders_.end(), folder) == folders_.end())
            folders_.push_back(folder);
    }

    const std::shared_ptr<runtime> runtime_;
    const onnx_file model_;
    const picture_form form_;
    const cuda_choice how_;
    mutable std::mutex mutex_;
    std::string cpu_fallback_nodes_;
    std::vector<std::filesystem::path> folders_;
};

}  // namespace

std::shared_ptr<network> make_host_network(std::shared_ptr<session> of, const picture_form& form) {
    return std::make_shared<host_network>(std::move(of), form);
}

std::shared_ptr<network> make_cuda_onnx_network(std::shared_ptr<runtime> on, const onnx_file& model,
                                                const picture_form& form, const cuda_choice& how) {
    return std::make_shared<cuda_onnx_network>(std::move(on), model, form, how);
}

}  // namespace faceflow::internal::inference
