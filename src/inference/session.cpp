#include "inference/session.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <onnxruntime_cxx_api.h>
#include <onnxruntime_run_options_config_keys.h>
#include <onnxruntime_session_options_config_keys.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <numeric>

#include "core/processors.hpp"
#include "inference/cuda_provider.hpp"
#include "inference/session_memory.hpp"
#include "inference/telemetry.hpp"
#include "inference/tensorrt_provider.hpp"

namespace faceflow::inference {
namespace {

// The file's fault, unless ONNX Runtime blames the machine beneath a device.
errc code_of(OrtErrorCode code, bool on_device) {
    if (code == ORT_NO_SUCHFILE) return errc::not_found;
    const bool machine =
        code == ORT_FAIL || code == ORT_RUNTIME_EXCEPTION || code == ORT_ENGINE_ERROR || code == ORT_EP_FAIL;
    return on_device && machine ? errc::unavailable : errc::corrupt;
}

// ONNX Runtime's C++ interface throws; here that ends.
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

}  // namespace

struct runtime::impl {
    Ort::Env env{nullptr};
};

runtime::runtime(std::unique_ptr<impl> i) : impl_(std::move(i)) {}
runtime::~runtime() = default;

result<std::shared_ptr<runtime>> runtime::create(const runtime_options& options) {
    const int threads = options.threads > 0 ? options.threads : usable_processors();
    auto made = guarded("starting ONNX Runtime", [&]() -> result<std::shared_ptr<runtime>> {
        Ort::ThreadingOptions threading;
        threading.SetGlobalIntraOpNumThreads(threads);
        threading.SetGlobalInterOpNumThreads(1);
        auto i = std::make_unique<impl>();
        switch_telemetry_off();
        i->env = Ort::Env(threading, ORT_LOGGING_LEVEL_ERROR, "faceflow");
        return std::shared_ptr<runtime>(new runtime(std::move(i)));
    });
    // It names a line of its own and an error that it is not.
    if (!made && made.error().message.find("pthread_create failed") != std::string::npos) {
        return fail(errc::unavailable,
                    fmt::format("cannot start a thread for the models, which compute with {}; use fewer "
                                "--threads, or raise the limit of processes (ulimit -u, or pids.max of "
                                "the container)",
                                threads));
    }
    return made;
}

std::string runtime_version() {
    return Ort::GetVersionString();
}
std::vector<std::string> runtime_providers() {
    return Ort::GetAvailableProviders();
}

result<void> check_cuda_provider(const runtime&) {
    return load_cuda_provider();
}

struct session::impl {
    std::shared_ptr<runtime> on;
    std::shared_ptr<environment_allocators> allocators;  // of a session on a device, as the next two
    std::unique_ptr<session_memory> memory;
    stream* home = nullptr;
    std::atomic<std::uint64_t> runs{0};
    std::atomic<const void*> last{nullptr};  // the binding whose run was the last one, unless that was waited for
    std::string model;
    Ort::Session ort{nullptr};  // goes first: it gives its memory back
};

namespace {

bool is_lost(const stream& home) {
    const auto probe = home.owner().make_event();  // every call fails then
    return !probe && probe.error().code == errc::device_lost;
}

}  // namespace

session::session(std::unique_ptr<impl> i) : impl_(std::move(i)) {}

// ONNX Runtime ends the process when it cannot give memory back. So what is left of a session on a device that is lost stays.
session::~session() {
    if (impl_->home != nullptr && is_lost(*impl_->home)) static_cast<void>(impl_->ort.release());
}

std::size_t session::device_bytes() const {
    return impl_->memory == nullptr ? 0 : impl_->memory->bytes();
}

namespace {

// What makes a session of the CPU one of a device.
result<void> move_to_device(session::impl& of, Ort::SessionOptions& options, const placement& where) {
    stream& home = *where.home;
    auto allocators = environment_allocators::get();
    if (!allocators) return tl::unexpected(std::move(allocators.error()));
    if (auto served = (*allocators)->serve(home.owner().index()); !served) return served;
    of.allocators = std::move(*allocators);
    of.memory = std::make_unique<session_memory>(home);
    of.home = &home;
    options.AddConfigEntry(kOrtSessionOptionsConfigUseEnvAllocators, "1");
    options.AddConfigEntry(kOrtSessionOptionsRecordEpGraphAssignmentInfo, "1");
    if (where.by_tensorrt != nullptr) {
        if (auto added = append_tensorrt_provider(options, home, *where.by_tensorrt); !added) return added;
    }
    return append_cuda_provider(options, home, where.tf32);
}

std::vector<std::string> strays_of(const Ort::Session& ort) {
    std::vector<std::string> strays;
    for (const auto& part : ort.GetEpGraphAssignmentInfo()) {
        if (part.GetEpName() == cuda_provider_name || part.GetEpName() == tensorrt_provider_name) continue;
        for (const auto& node : part.GetNodes())
            strays.push_back(fmt::format("{} ({})", node.GetName(), node.GetOperatorType()));
    }
    return strays;
}

}  // namespace

result<std::shared_ptr<session>> session::load(std::shared_ptr<runtime> on, const std::filesystem::path& model,
                                               threading how, const placement& where) {
    const bool on_device = where.home != nullptr && where.home->handle() != nullptr;
    auto i = std::make_unique<impl>();
    const auto open = [&]() -> result<std::shared_ptr<session>> {
        Ort::SessionOptions options;
        options.SetGraphOptimizationLevel(ORT_ENABLE_ALL);
        options.SetExecutionMode(ORT_SEQUENTIAL);
        if (on_device || how == threading::caller) {
            options.SetIntraOpNumThreads(1);
        } else {
            options.DisablePerSessionThreads();
            // A pool that spins between frames burns a core at camera cadence.
            options.AddConfigEntry("session.force_spinning_stop", "1");
        }
        if (on_device) {
            if (auto moved = move_to_device(*i, options, where); !moved)
                return tl::unexpected(std::move(moved.error()));
        }
        const memory_scope its_memory(i->memory.get());
        i->ort = Ort::Session(on->get().env, model.c_str(), options);
        i->on = std::move(on);
        i->model = model.filename().string();
        std::shared_ptr<session> s(new session(std::move(i)));
        s->describe();
        if (on_device) s->strays_ = strays_of(s->impl_->ort);
        return s;
    };
    const std::string doing = fmt::format("loading the model {}", model.string());
    if (!on_device) return guarded(doing, open);
    // With the device current, and the one before put back.
    result<std::shared_ptr<session>> loaded = fail(errc::internal, doing + ": its stream has failed");
    where.home->enqueue([&]() -> result<void> {
        loaded = guarded(doing, open, true);
        return {};
    });
    if (!loaded && i != nullptr && i->memory != nullptr) {
        if (auto refused = i->memory->take_refusal()) return tl::unexpected(std::move(*refused));
    }
    return loaded;
}

void session::describe() {
    Ort::AllocatorWithDefaultOptions allocator;
    const auto all = [](std::size_t n, auto name_at, auto info_at) {
        std::vector<tensor_info> described;
        for (std::size_t k = 0; k < n; ++k)
            described.push_back({name_at(k).get(), info_at(k).GetTensorTypeAndShapeInfo().GetShape()});
        return described;
    };
    const auto& ort = impl_->ort;
    inputs_ = all(
        ort.GetInputCount(), [&](std::size_t k) { return ort.GetInputNameAllocated(k, allocator); },
        [&](std::size_t k) { return ort.GetInputTypeInfo(k); });
    outputs_ = all(
        ort.GetOutputCount(), [&](std::size_t k) { return ort.GetOutputNameAllocated(k, allocator); },
        [&](std::size_t k) { return ort.GetOutputTypeInfo(k); });
}

result<std::vector<std::vector<std::int64_t>>> session::output_shapes(const std::vector<std::int64_t>& input) const {
    return guarded(fmt::format("trying the model {} on an input of {}", impl_->model, fmt::join(input, "x")),
                   [&]() -> result<std::vector<std::vector<std::int64_t>>> {
                       std::vector<float> zeros(elements(input));
                       const auto value = Ort::Value::CreateTensor<float>(host_memory(), zeros.data(), zeros.size(),
                                                                          input.data(), input.size());
                       std::vector<const char*> names;
                       for (const auto& o : outputs_)
                           names.push_back(o.name.c_str());
                       const char* input_name = inputs_.front().name.c_str();
                       const auto out =
                           impl_->ort.Run(Ort::RunOptions{nullptr}, &input_name, &value, 1, names.data(), names.size());
                       std::vector<std::vector<std::int64_t>> shapes;
                       shapes.reserve(out.size());
                       for (const auto& v : out)
                           shapes.push_back(v.GetTensorTypeAndShapeInfo().GetShape());
                       return shapes;
                   });
}

// Host memory that kernels read from is given back by ONNX Runtime 1.29 only at the end of a run that it waits for. Every so many
// runs one is waited for, so that such memory does not add up; and the last of all, since what is given back once
// the session is gone ends the process (cudaFreeHost from a callback of the stream). That last one is of the binding that ran last:
// for another batch the session would plan anew.
constexpr std::uint64_t runs_between_waits = 1000;

struct binding::impl {
    std::shared_ptr<session> of;
    Ort::IoBinding io;
    Ort::RunOptions options, waiting_options;
    explicit impl(std::shared_ptr<session> s) : of(std::move(s)), io(of->get().ort) {}
    ~impl() {
        const session::impl& s = of->get();
        if (s.home == nullptr || s.last.load(std::memory_order_relaxed) != this) return;
        static_cast<void>(run(true));
        // It gives memory back from a callback that it puts on the stream behind what it has waited for.
        device& on = s.home->owner();
        if (auto done = on.make_event()) {
            s.home->record(**done);
            static_cast<void>(wait_until_done(on, **done, {stage::landmark, {}}));
        }
    }
    impl(const impl&) = delete;

    result<void> run(bool waits) {
        session::impl& s = of->get();
        const memory_scope its_memory(s.memory.get());
        if (waits) s.home->owner().book().record_sync({stage::landmark, {}});
        s.last.store(waits ? nullptr : this, std::memory_order_relaxed);
        return guarded(
            s.model,
            [&]() -> result<void> {
                s.ort.Run(waits ? waiting_options : options, io);
                return {};
            },
            s.home != nullptr);
    }
};

binding::binding(std::unique_ptr<impl> i) : impl_(std::move(i)) {}
binding::binding(binding&&) noexcept = default;
binding& binding::operator=(binding&&) noexcept = default;
binding::~binding() = default;

result<binding> binding::create(std::shared_ptr<session> of, std::span<const bound_tensor> inputs,
                                std::span<const bound_tensor> outputs) {
    return guarded(fmt::format("binding the tensors of {}", of->get().model), [&]() -> result<binding> {
        auto i = std::make_unique<impl>(of);
        const stream* const home = of->get().home;
        const Ort::MemoryInfo memory = home == nullptr ? host_memory() : cuda_memory(home->owner().index());
        if (home != nullptr) i->options.AddConfigEntry(kOrtRunOptionsConfigDisableSynchronizeExecutionProviders, "1");
        const auto value = [&memory](const bound_tensor& t) {
            return Ort::Value::CreateTensor<float>(memory, t.data, elements(t.shape), t.shape.data(), t.shape.size());
        };
        for (const auto& t : inputs)
            i->io.BindInput(t.name.c_str(), value(t));
        for (const auto& t : outputs)
            i->io.BindOutput(t.name.c_str(), value(t));
        return binding(std::move(i));
    });
}

result<void> binding::run() {
    session::impl& of = impl_->of->get();
    const bool waits = of.home != nullptr &&
                       of.runs.fetch_add(1, std::memory_order_relaxed) % runs_between_waits == runs_between_waits - 1;
    auto done = impl_->run(waits);
    if (done || of.memory == nullptr) return done;
    if (auto refused = of.memory->take_refusal()) return tl::unexpected(std::move(*refused));
    return done;
}

}  // namespace faceflow::inference
