// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <onnxruntime_cxx_api.h>
#include <onnxruntime_run_options_config_keys.h>
#include <onnxruntime_session_options_config_keys.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>

#include "core/processors.hpp"
#include "core/try.hpp"
#include "inference/onnxruntime/cuda_provider.hpp"
#include "inference/onnxruntime/library.hpp"
#include "inference/onnxruntime/onnx_network.hpp"
#include "inference/onnxruntime/session_memory.hpp"
#include "inference/onnxruntime/start.hpp"
#include "inference/onnxruntime/tensorrt_provider.hpp"

namespace faceflow::internal::inference {
namespace {

// The error is the file's fault, unless ONNX Runtime blames the device.
errc code_of(OrtErrorCode code, bool on_device) {
    if (code == ORT_NO_SUCHFILE) return errc::not_found;
    const bool machine =
        code == ORT_FAIL || code == ORT_RUNTIME_EXCEPTION || code == ORT_ENGINE_ERROR || code == ORT_EP_FAIL;
    return on_device && machine ? errc::unavailable : errc::corrupt;
}

// Converts exceptions of ONNX Runtime's C++ interface to errors.
template <class F>
auto guarded(std::string_view doing, F&& f, bool on_device = false) -> decltype(f()) {
    try {
        return f();
    } catch (const Ort::Exception& e) {
        return fail(code_of(e.GetOrtErrorCode(), on_device), fmt::format("{}: {}", doing, e.what()));
    } catch (const std::exception& e) {
        return fail(errc::internal, fmt::format("{}: {}", doing, e.what()));
    }
}

std::size_t elements(std::span<const std::int64_t> shape) {
    return std::accumulate(shape.begin(), shape.end(), std::size_t{1}, [](std::size_t n, std::int64_t d) {
        return n * static_cast<std::size_t>(std::max<std::int64_t>(d, 0));
    });
}

Ort::MemoryInfo host_memory() {
    return Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
}

bool is_lost(const stream& home) {
    const auto probe = home.owner().make_event();  // on a lost device every call fails
    return !probe && probe.error().code == errc::device_lost;
}

std::vector<std::string> cpu_fallback_nodes_of(const Ort::Session& ort) {
    std::vector<std::string> cpu_fallback_nodes;
    for (const auto& part : ort.GetEpGraphAssignmentInfo()) {
        if (part.GetEpName() == cuda_provider_name || part.GetEpName() == tensorrt_provider_name) continue;
        for (const auto& node : part.GetNodes())
            cpu_fallback_nodes.push_back(fmt::format("{} ({})", node.GetName(), node.GetOperatorType()));
    }
    return cpu_fallback_nodes;
}

class onnx_session final : public session, public std::enable_shared_from_this<onnx_session> {
public:
    // ONNX Runtime terminates the process when it cannot free memory, so a session on a lost device is leaked.
    ~onnx_session() override {
        if (home_ != nullptr && is_lost(*home_)) static_cast<void>(ort_.release());
    }

    const std::vector<tensor_info>& inputs() const noexcept override { return inputs_; }
    const std::vector<tensor_info>& outputs() const noexcept override { return outputs_; }
    const std::vector<std::string>& cpu_fallback_nodes() const noexcept override { return cpu_fallback_nodes_; }
    std::size_t device_bytes() const override { return memory_ == nullptr ? 0 : memory_->bytes(); }

    result<std::vector<std::vector<std::int64_t>>> output_shapes(const std::vector<std::int64_t>& input) const override;
    result<std::unique_ptr<binding>> bind(std::span<const bound_tensor> inputs,
                                          std::span<const bound_tensor> outputs) override;

    // Call it once. `environment` belongs to `on`. Throws what ONNX Runtime throws.
    result<void> open(std::shared_ptr<const runtime> on, const Ort::Env& environment,
                      const std::filesystem::path& model, threading how, const placement& where);
    // On a device: the error of its memory, returned once.
    std::optional<error> take_refusal() { return memory_ == nullptr ? std::nullopt : memory_->take_refusal(); }

private:
    friend class onnx_binding;

    result<void> move_to_device(Ort::SessionOptions& options, const placement& where);
    void describe();

    std::shared_ptr<const runtime> on_;
    std::shared_ptr<environment_allocators> allocators_;  // only for a session on a device, as are the next two
    std::unique_ptr<session_memory> memory_;
    stream* home_ = nullptr;
    std::atomic<std::uint64_t> runs_{0};
    std::atomic<const void*> last_{nullptr};  // the binding that ran last, unless that run was waited for
    std::string model_;
    std::vector<tensor_info> inputs_, outputs_;
    std::vector<std::string> cpu_fallback_nodes_;
    // Destroyed first: it frees memory through the members above. A run is not const in ONNX Runtime's interface.
    mutable Ort::Session ort_{nullptr};
};

// Configures a session for a device.
result<void> onnx_session::move_to_device(Ort::SessionOptions& options, const placement& where) {
    stream& home = *where.home;
    FACEFLOW_ASSIGN(auto allocators, environment_allocators::get());
    FACEFLOW_TRY(allocators->serve(home.owner().index()));
    allocators_ = std::move(allocators);
    memory_ = std::make_unique<session_memory>(home);
    home_ = &home;
    options.AddConfigEntry(kOrtSessionOptionsConfigUseEnvAllocators, "1");
    options.AddConfigEntry(kOrtSessionOptionsRecordEpGraphAssignmentInfo, "1");
    if (where.by_tensorrt != nullptr) {
        FACEFLOW_TRY(append_tensorrt_provider(options, home, *where.by_tensorrt));
    }
    return append_cuda_provider(options, home, where.tf32);
}

result<void> onnx_session::open(std::shared_ptr<const runtime> on, const Ort::Env& environment,
                                const std::filesystem::path& model, threading how, const placement& where) {
    const bool on_device = where.home != nullptr;
    Ort::SessionOptions options;
    options.SetGraphOptimizationLevel(ORT_ENABLE_ALL);
    options.SetExecutionMode(ORT_SEQUENTIAL);
    if (on_device || how == threading::caller) {
        options.SetIntraOpNumThreads(1);
    } else {
        options.DisablePerSessionThreads();
        // A pool that spins between frames wastes a core at camera frame rates.
        options.AddConfigEntry("session.force_spinning_stop", "1");
    }
    if (on_device) {
        FACEFLOW_TRY(move_to_device(options, where));
    }
    const memory_scope its_memory(memory_.get());
    ort_ = Ort::Session(environment, model.c_str(), options);
    on_ = std::move(on);
    model_ = model.filename().string();
    describe();
    if (on_device) cpu_fallback_nodes_ = cpu_fallback_nodes_of(ort_);
    return {};
}

void onnx_session::describe() {
    Ort::AllocatorWithDefaultOptions allocator;
    const auto all = [](std::size_t n, auto name_at, auto info_at) {
        std::vector<tensor_info> described;
        for (std::size_t k = 0; k < n; ++k)
            described.push_back({name_at(k).get(), info_at(k).GetTensorTypeAndShapeInfo().GetShape()});
        return described;
    };
    inputs_ = all(
        ort_.GetInputCount(), [&](std::size_t k) { return ort_.GetInputNameAllocated(k, allocator); },
        [&](std::size_t k) { return ort_.GetInputTypeInfo(k); });
    outputs_ = all(
        ort_.GetOutputCount(), [&](std::size_t k) { return ort_.GetOutputNameAllocated(k, allocator); },
        [&](std::size_t k) { return ort_.GetOutputTypeInfo(k); });
}

result<std::vector<std::vector<std::int64_t>>> onnx_session::output_shapes(
    const std::vector<std::int64_t>& input) const {
    return guarded(fmt::format("trying the model {} on an input of {}", model_, fmt::join(input, "x")),
                   [&]() -> result<std::vector<std::vector<std::int64_t>>> {
                       std::vector<float> zeros(elements(input));
                       const auto value = Ort::Value::CreateTensor<float>(host_memory(), zeros.data(), zeros.size(),
                                                                          input.data(), input.size());
                       std::vector<const char*> names;
                       for (const auto& o : outputs_)
                           names.push_back(o.name.c_str());
                       const char* input_name = inputs_.front().name.c_str();
                       const auto out =
                           ort_.Run(Ort::RunOptions{nullptr}, &input_name, &value, 1, names.data(), names.size());
                       std::vector<std::vector<std::int64_t>> shapes;
                       shapes.reserve(out.size());
                       for (const auto& v : out)
                           shapes.push_back(v.GetTensorTypeAndShapeInfo().GetShape());
                       return shapes;
                   });
}

// ONNX Runtime 1.29 frees host memory that kernels read only at the end of a run that it waits for. One run in this
// many is waited for, so that such memory does not accumulate; and the very last one, since freeing it after the
// session is gone terminates the process (cudaFreeHost from a callback of the stream). That last run uses the binding
// that ran last: for another batch size the session would plan anew.
constexpr std::uint64_t runs_between_waits = 1000;

class onnx_binding final : public binding {
public:
    explicit onnx_binding(std::shared_ptr<onnx_session> of) : of_(std::move(of)), io_(of_->ort_) {}
    ~onnx_binding() override {
        if (of_->home_ == nullptr || of_->last_.load(std::memory_order_relaxed) != this) return;
        static_cast<void>(run(true));
        // It frees memory from a callback that it adds to the stream after the work it has waited for.
        device& d = of_->home_->owner();
        if (auto done = d.make_event()) {
            of_->home_->record(**done);
            static_cast<void>(wait_until_done(d, **done, {stage::landmark, {}}));
        }
    }
    onnx_binding(const onnx_binding&) = delete;

    // Call it once. Throws what ONNX Runtime throws.
    void bind(std::span<const bound_tensor> inputs, std::span<const bound_tensor> outputs) {
        const stream* const home = of_->home_;
        const Ort::MemoryInfo memory = home == nullptr ? host_memory() : cuda_memory(home->owner().index());
        if (home != nullptr) options_.AddConfigEntry(kOrtRunOptionsConfigDisableSynchronizeExecutionProviders, "1");
        const auto value = [&memory](const bound_tensor& t) {
            return Ort::Value::CreateTensor<float>(memory, t.data, elements(t.shape), t.shape.data(), t.shape.size());
        };
        for (const auto& t : inputs)
            io_.BindInput(t.name.c_str(), value(t));
        for (const auto& t : outputs)
            io_.BindOutput(t.name.c_str(), value(t));
    }

    result<void> run() override {
        const bool waits =
            of_->home_ != nullptr &&
            of_->runs_.fetch_add(1, std::memory_order_relaxed) % runs_between_waits == runs_between_waits - 1;
        auto done = run(waits);
        if (done) return done;
        if (auto refused = of_->take_refusal()) return tl::unexpected(std::move(*refused));
        return done;
    }

private:
    result<void> run(bool waits) {
        onnx_session& s = *of_;
        const memory_scope its_memory(s.memory_.get());
        if (waits) s.home_->owner().book().record_sync({stage::landmark, {}});
        s.last_.store(waits ? nullptr : this, std::memory_order_relaxed);
        return guarded(
            s.model_,
            [&]() -> result<void> {
                s.ort_.Run(waits ? waiting_options_ : options_, io_);
                return {};
            },
            s.home_ != nullptr);
    }

    const std::shared_ptr<onnx_session> of_;
    Ort::IoBinding io_;
    Ort::RunOptions options_, waiting_options_;
};

result<std::unique_ptr<binding>> onnx_session::bind(std::span<const bound_tensor> inputs,
                                                    std::span<const bound_tensor> outputs) {
    return guarded(fmt::format("binding the tensors of {}", model_), [&]() -> result<std::unique_ptr<binding>> {
        auto bound = std::make_unique<onnx_binding>(shared_from_this());
        bound->bind(inputs, outputs);
        return bound;
    });
}

class onnx_runtime final : public runtime, public std::enable_shared_from_this<onnx_runtime> {
public:
    explicit onnx_runtime(const Ort::ThreadingOptions& threading)
        : environment_(threading, ORT_LOGGING_LEVEL_ERROR, "faceflow") {}

    result<void> check_cuda() const override { return load_cuda_provider(); }
    result<void> check_tensorrt() const override { return load_tensorrt_provider(); }

    result<std::shared_ptr<session>> load(const std::filesystem::path& model, threading how,
                                          const placement& where) override;
    std::shared_ptr<network> host_network(std::shared_ptr<session> of, const picture_form& form) override {
        return make_host_network(std::move(of), form);
    }
    std::shared_ptr<network> cuda_network(const onnx_file& model, const picture_form& form,
                                          const cuda_choice& how) override {
        return make_cuda_onnx_network(shared_from_this(), model, form, how);
    }

private:
    const Ort::Env environment_;
};

result<std::shared_ptr<session>> onnx_runtime::load(const std::filesystem::path& model, threading how,
                                                    const placement& where) {
    const bool on_device = where.home != nullptr;
    const auto made = std::make_shared<onnx_session>();
    const std::string doing = fmt::format("loading the model {}", model.string());
    const auto open = [&] {
        return guarded(
            doing, [&] { return made->open(shared_from_this(), environment_, model, how, where); }, on_device);
    };
    result<void> opened;
    if (on_device) {
        // enqueue makes the device current, and restores the previous one.
        opened = fail(errc::internal, doing + ": its stream has failed");
        where.home->enqueue([&]() -> result<void> {
            opened = open();
            return {};
        });
    } else {
        opened = open();
    }
    if (opened) return made;
    if (auto refused = made->take_refusal()) return tl::unexpected(std::move(*refused));
    return tl::unexpected(std::move(opened.error()));
}

}  // namespace

result<std::shared_ptr<runtime>> start_onnxruntime(const runtime_options& options) {
    FACEFLOW_TRY(open_library());
    const int threads = options.threads > 0 ? options.threads : usable_processors();
    auto made = guarded("starting ONNX Runtime", [&]() -> result<std::shared_ptr<runtime>> {
        Ort::ThreadingOptions threading;
        threading.SetGlobalIntraOpNumThreads(threads);
        threading.SetGlobalInterOpNumThreads(1);
        return std::make_shared<onnx_runtime>(threading);
    });
    // The original message names a source line of ONNX Runtime and a misleading error.
    if (!made && made.error().message.find("pthread_create failed") != std::string::npos) {
        return fail(errc::unavailable,
                    fmt::format("cannot start a thread for the models, which compute with {}; use fewer "
                                "--threads, or raise the limit of processes (ulimit -u, or pids.max of "
                                "the container)",
                                threads));
    }
    return made;
}

result<found_runtime> find_onnxruntime() {
    return guarded("asking ONNX Runtime for its providers", []() -> result<found_runtime> {
        FACEFLOW_TRY(open_library());
        return found_runtime{library_version(), library_folder(), Ort::GetAvailableProviders()};
    });
}

}  // namespace faceflow::internal::inference
