#include "inference/session.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <thread>

namespace faceflow::inference {
namespace {

// ONNX Runtime's C++ interface throws; here that ends.
template <class F>
auto guarded(std::string_view doing, F&& f) -> decltype(f()) {
    try {
        return f();
    } catch (const Ort::Exception& e) {
        return fail(e.GetOrtErrorCode() == ORT_NO_SUCHFILE ? errc::not_found : errc::corrupt,
                    fmt::format("{}: {}", doing, e.what()));
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
    return guarded("starting ONNX Runtime", [&]() -> result<std::shared_ptr<runtime>> {
        Ort::ThreadingOptions threading;
        const int threads =
            options.threads > 0 ? options.threads : static_cast<int>(std::thread::hardware_concurrency());
        threading.SetGlobalIntraOpNumThreads(std::max(1, threads));
        threading.SetGlobalInterOpNumThreads(1);
        auto i = std::make_unique<impl>();
        i->env = Ort::Env(threading, ORT_LOGGING_LEVEL_ERROR, "faceflow");
        return std::shared_ptr<runtime>(new runtime(std::move(i)));
    });
}

std::string runtime_version() {
    return Ort::GetVersionString();
}
std::vector<std::string> runtime_providers() {
    return Ort::GetAvailableProviders();
}

struct session::impl {
    std::shared_ptr<runtime> on;
    Ort::Session ort{nullptr};
    std::string model;
};

session::session(std::unique_ptr<impl> i) : impl_(std::move(i)) {}
session::~session() = default;

result<std::shared_ptr<session>> session::load(std::shared_ptr<runtime> on, const std::filesystem::path& model,
                                               threading how) {
    return guarded(fmt::format("loading the model {}", model.string()), [&]() -> result<std::shared_ptr<session>> {
        Ort::SessionOptions options;
        options.SetGraphOptimizationLevel(ORT_ENABLE_ALL);
        options.SetExecutionMode(ORT_SEQUENTIAL);
        if (how == threading::caller) {
            options.SetIntraOpNumThreads(1);
        } else {
            options.DisablePerSessionThreads();
            // A pool that spins between frames burns a core at camera cadence.
            options.AddConfigEntry("session.force_spinning_stop", "1");
        }
        auto i = std::make_unique<impl>();
        i->ort = Ort::Session(on->get().env, model.c_str(), options);
        i->on = std::move(on);
        i->model = model.filename().string();
        std::shared_ptr<session> s(new session(std::move(i)));
        Ort::AllocatorWithDefaultOptions allocator;
        const auto describe = [&](std::size_t n, auto name_at, auto info_at) {
            std::vector<tensor_info> all;
            for (std::size_t k = 0; k < n; ++k) {
                all.push_back({name_at(k).get(), info_at(k).GetTensorTypeAndShapeInfo().GetShape()});
            }
            return all;
        };
        auto& ort = s->impl_->ort;
        s->inputs_ = describe(
            ort.GetInputCount(), [&](std::size_t k) { return ort.GetInputNameAllocated(k, allocator); },
            [&](std::size_t k) { return ort.GetInputTypeInfo(k); });
        s->outputs_ = describe(
            ort.GetOutputCount(), [&](std::size_t k) { return ort.GetOutputNameAllocated(k, allocator); },
            [&](std::size_t k) { return ort.GetOutputTypeInfo(k); });
        return s;
    });
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

struct binding::impl {
    std::shared_ptr<session> of;
    Ort::IoBinding io;
    Ort::RunOptions options;
    explicit impl(std::shared_ptr<session> s) : of(std::move(s)), io(of->get().ort) {}
};

binding::binding(std::unique_ptr<impl> i) : impl_(std::move(i)) {}
binding::binding(binding&&) noexcept = default;
binding& binding::operator=(binding&&) noexcept = default;
binding::~binding() = default;

result<binding> binding::create(std::shared_ptr<session> of, std::span<const bound_tensor> inputs,
                                std::span<const bound_tensor> outputs) {
    return guarded(fmt::format("binding the tensors of {}", of->get().model), [&]() -> result<binding> {
        auto i = std::make_unique<impl>(of);
        const auto value = [](const bound_tensor& t) {
            return Ort::Value::CreateTensor<float>(host_memory(), t.data, elements(t.shape), t.shape.data(),
                                                   t.shape.size());
        };
        for (const auto& t : inputs)
            i->io.BindInput(t.name.c_str(), value(t));
        for (const auto& t : outputs)
            i->io.BindOutput(t.name.c_str(), value(t));
        return binding(std::move(i));
    });
}

result<void> binding::run() {
    return guarded(impl_->of->get().model, [&]() -> result<void> {
        impl_->of->get().ort.Run(impl_->options, impl_->io);
        return {};
    });
}

}  // namespace faceflow::inference
