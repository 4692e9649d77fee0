// SPDX-License-Identifier: Apache-2.0
// The CPU's own kernels: each network beside ONNX Runtime, by turns in one run, and in bf16 beside both, where the CPU has
// instructions for it; and each layer beside the multiply-adds and the bytes that it cannot do without. One thread, but
// for `threads/`, where several share a picture; models that are not there are left out.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <new>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/processors.hpp"
#include "core/worker_pool.hpp"
#include "inference/catalogue.hpp"
#include "inference/cpu/prepared_network.hpp"
#include "inference/cpu/shared_run.hpp"
#include "inference/session.hpp"
#include "machine.hpp"

namespace {

using namespace faceflow;
using namespace faceflow::internal;
using inference::host_precision;
using inference::cpu::bound_step;
using inference::cpu::memory_layout;
using inference::cpu::prepared_binding;
using inference::cpu::prepared_network;
using inference::cpu::step_cost;

const bench::machine_limits& limits() {
    static const bench::machine_limits measured = bench::measure_limits(1);
    return measured;
}

struct subject {
    std::string name;
    std::filesystem::path model;
    std::int32_t height, width;
    std::array<float, 2> graph_range;  // of the graph's colours
};

std::vector<subject> subjects() {
    const std::filesystem::path root = FACEFLOW_SOURCE_DIR;
    return {{"retinaface_640x384", root / "assets/models/retinaface_mnet25.onnx", 384, 640, {0, 255}},
            {"attention_mesh", root / "models/face_landmark_with_attention.onnx", 192, 192, {0, 1}},
            {"mesh_v2", inference::imported_models() / "face_landmarks_v2.onnx", 256, 256, {0, 1}},
            {"blazeface", root / "models/face_detection_full_range.onnx", 192, 192, {-1, 1}}};
}

// On lines of the cache.
class floats {
public:
    explicit floats(std::size_t count) : data_(new (alignment) float[count]()) {}
    floats(const floats&) = delete;
    ~floats() { ::operator delete[](data_, alignment); }
    [[nodiscard]] float* data() const { return data_; }

private:
    static constexpr std::align_val_t alignment{64};
    float* const data_;
};

// Noise of 0..1, scaled.
void fill(float* to, std::size_t count, float scale, float bias) {
    std::minstd_rand random(7);
    std::uniform_real_distribution<float> value(0, 1);
    for (std::size_t i = 0; i < count; ++i)
        to[i] = value(random) * scale + bias;
}

template <class T>
T value_or_throw(result<T> r) {
    if (!r) throw std::runtime_error(r.error().message);
    return std::move(*r);
}

inference::plan plan_of(const subject& s) {
    return value_or_throw(inference::load_plan(s.model, value_or_throw(inference::sha256_of(s.model))));
}

class own_network {
public:
    explicit own_network(const subject& s, host_precision in_what = host_precision::fp32)
        : network_(prepared_network::make(plan_of(s), in_what)),
          input_(pixels(s)),
          layout_(value_or_throw(memory_layout::make(*network_, s.height, s.width, 1))),
          memory_(layout_.bytes() / sizeof(float)),
          steps_(network_, layout_, memory_.data(), input_.data()),
          scratch_(std::max<std::size_t>(steps_.scratch(), 1)) {
        fill(input_.data(), pixels(s), network_->of().input.scale, network_->of().input.bias);
        run();
    }
    static std::size_t pixels(const subject& s) {
        return std::size_t{3} * static_cast<std::size_t>(s.height) * static_cast<std::size_t>(s.width);
    }
    [[nodiscard]] const prepared_network& network() const { return *network_; }
    [[nodiscard]] const prepared_binding& binding() const { return steps_; }
    [[nodiscard]] const memory_layout& layout() const { return layout_; }
    // Of another thread that shares a run.
    [[nodiscard]] std::unique_ptr<prepared_binding> bind_beside(float* passing) const {
        return std::make_unique<prepared_binding>(network_, layout_.beside(steps_.places(), passing));
    }
    [[nodiscard]] std::size_t bytes() const { return layout_.bytes() + network_->weights().bytes(); }
    void run() { steps_.run(0, 1, scratch_.data()); }
    void run(std::size_t step) {
        const bound_step& s = *steps_.steps()[step];
        s.run(0, 0, s.parts(), scratch_.data());
    }

private:
    std::shared_ptr<const prepared_network> network_;
    floats input_;
    memory_layout layout_;
    floats memory_;
    prepared_binding steps_;
    floats scratch_;
};

class onnx_network {
public:
    explicit onnx_network(const subject& s) : input_(own_network::pixels(s)) {
        const auto runtime = value_or_throw(inference::runtime::create({1}));
        auto session = value_or_throw(runtime->load(s.model, inference::threading::caller));
        const std::vector<std::int64_t> shape{1, 3, s.height, s.width};
        const auto shapes = value_or_throw(session->output_shapes(shape));
        fill(input_.data(), own_network::pixels(s), s.graph_range[1] - s.graph_range[0], s.graph_range[0]);
        std::vector<inference::bound_tensor> outputs;
        for (std::size_t i = 0; i < shapes.size(); ++i) {
            std::size_t count = 1;
            for (const std::int64_t d : shapes[i])
                count *= static_cast<std::size_t>(d);
            outputs_.push_back(std::make_unique<floats>(count));
            outputs.push_back({session->outputs()[i].name, outputs_.back()->data(), shapes[i]});
        }
        const inference::bound_tensor in{session->inputs().front().name, input_.data(), shape};
        binding_ = value_or_throw(session->bind({&in, 1}, outputs));
        run();
    }
    void run() {
        if (const auto r = binding_->run(); !r) throw std::runtime_error(r.error().message);
    }

private:
    floats input_;
    std::vector<std::unique_ptr<floats>> outputs_;
    std::unique_ptr<inference::binding> binding_;
};

double thread_seconds() {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Of this thread, so that what else the core does counts little.
template <class Work>
double cpu_seconds(Work work) {
    const double begin = thread_seconds();
    work();
    return thread_seconds() - begin;
}

double median(std::vector<double>& values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

// What it does of what the machine can at best in single precision: all multiply-adds count that the plain convolutions would take,
// so that Winograd's way, and bf16, may pass 1.
void report(benchmark::State& state, const step_cost& cost) {
    const auto n = static_cast<double>(state.iterations());
    state.counters["FLOPs"] = cost.operations;
    state.counters["bytes"] = cost.bytes;
    state.counters["of_flops"] =
        benchmark::Counter(n * cost.operations / limits().flops_per_second, benchmark::Counter::kIsRate);
    state.counters["of_memcpy"] =
        benchmark::Counter(n * cost.bytes / limits().copy_bytes_per_second, benchmark::Counter::kIsRate);
}

step_cost cost_of(const own_network& own) {
    step_cost all;
    for (const auto& step : own.binding().steps()) {
        all.operations += step->cost().operations;
        all.bytes += step->cost().bytes;
    }
    return all;
}

// Its time is that of our own. By itself where there is no ONNX Runtime.
void beside_onnx_runtime(benchmark::State& state, const subject& s) {
    own_network own(s);
    const auto other = inference::find_runtime() ? std::make_unique<onnx_network>(s) : nullptr;
    std::vector<double> own_times, other_times;
    for (auto _ : state) {
        if (other != nullptr) other_times.push_back(cpu_seconds([&] { other->run(); }));
        own_times.push_back(cpu_seconds([&] { own.run(); }));
        state.SetIterationTime(own_times.back());
    }
    report(state, cost_of(own));
    const double own_median = median(own_times);
    state.counters["own_us"] = own_median * 1e6;
    if (other != nullptr) {
        const double other_median = median(other_times);
        state.counters["onnx_runtime_us"] = other_median * 1e6;
        state.counters["times_as_fast"] = other_median / own_median;
    }
    state.counters["MB"] = static_cast<double>(own.bytes()) / 1e6;
    state.SetLabel(std::string(own.network().kernels().target));
}

// Its time is that in bf16.
void bf16_beside_both(benchmark::State& state, const subject& s) {
    own_network rounded(s, host_precision::bf16), exact(s);
    const auto other = inference::find_runtime() ? std::make_unique<onnx_network>(s) : nullptr;
    std::vector<double> rounded_times, exact_times, other_times;
    for (auto _ : state) {
        if (other != nullptr) other_times.push_back(cpu_seconds([&] { other->run(); }));
        exact_times.push_back(cpu_seconds([&] { exact.run(); }));
        rounded_times.push_back(cpu_seconds([&] { rounded.run(); }));
        state.SetIterationTime(rounded_times.back());
    }
    report(state, cost_of(rounded));
    const double in_bf16 = median(rounded_times), in_fp32 = median(exact_times);
    state.counters["own_us"] = in_bf16 * 1e6;
    state.counters["fp32_us"] = in_fp32 * 1e6;
    state.counters["times_as_fast_as_fp32"] = in_fp32 / in_bf16;
    if (other != nullptr) {
        const double of_other = median(other_times);
        state.counters["onnx_runtime_us"] = of_other * 1e6;
        state.counters["times_as_fast"] = of_other / in_bf16;
    }
    state.counters["MB"] = static_cast<double>(rounded.bytes()) / 1e6;
    state.SetLabel(std::string(rounded.network().kernels().target) + ", bf16");
}

// One picture by several threads, by the clock; beside one thread's time in the same run.
void by_threads(benchmark::State& state, const subject& s, std::int32_t threads) {
    own_network own(s);
    worker_pool pool(threads);
    constexpr std::size_t line = 16;
    const std::size_t each = (own.binding().scratch() + line - 1) / line * line;
    const floats scratch(each * static_cast<std::size_t>(threads));
    std::vector<std::unique_ptr<floats>> passing;
    std::vector<std::unique_ptr<prepared_binding>> bindings;
    for (std::int32_t i = 0; i < threads; ++i) {
        passing.push_back(std::make_unique<floats>(own.layout().passing_bytes() / sizeof(float)));
        bindings.push_back(own.bind_beside(passing.back()->data()));
    }
    inference::cpu::shared_run together(own.binding(), threads);
    std::vector<double> alone_times, times;
    const auto seconds = [](auto work) {
        const auto begin = std::chrono::steady_clock::now();
        work();
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    };
    for (auto _ : state) {
        alone_times.push_back(seconds([&] { own.run(); }));
        times.push_back(seconds([&] {
            together.begin(0);
            pool.together(threads, [&](std::int32_t i) {
                const auto at = static_cast<std::size_t>(i);
                together.work(*bindings[at], scratch.data() + at * each);
            });
        }));
        state.SetIterationTime(times.back());
    }
    const double alone = median(alone_times), shared = median(times);
    state.counters["us"] = shared * 1e6;
    state.counters["of_one_thread"] = shared / alone;
}

void layer(benchmark::State& state, own_network& of, std::size_t step) {
    for (auto _ : state) {
        of.run(step);
        benchmark::ClobberMemory();
    }
    report(state, of.binding().steps()[step]->cost());
}

void add_layers(const subject& s, host_precision in_what) {
    const auto own = std::make_shared<own_network>(s, in_what);
    const char* const suffix = in_what == host_precision::bf16 ? "/bf16" : "";
    // Steps that pass rows on to each other are one layer, by the name of the last's map.
    for (std::size_t i = 0; i < own->binding().steps().size(); ++i) {
        const auto& step = *own->network().steps()[own->binding().last_of(i)];
        const std::string map = step.maps_written.empty()
                                    ? std::string("numbers")
                                    : own->network().maps()[static_cast<std::size_t>(step.maps_written.front())].name;
        benchmark::RegisterBenchmark(fmt::format("layer/{}/{:02}/{}{}", s.name, step.first_step, map, suffix).c_str(),
                                     [own, i](benchmark::State& state) { layer(state, *own, i); })
            ->Unit(benchmark::kMicrosecond);
    }
}

void add(const subject& s, bool has_bf16) {
    if (!std::filesystem::exists(s.model)) return;
    const auto add_network = [&](const std::string& name, auto compare) {
        benchmark::RegisterBenchmark(name.c_str(), compare, s)->UseManualTime()->Unit(benchmark::kMicrosecond);
    };
    add_network("network/" + s.name, beside_onnx_runtime);
    add_layers(s, host_precision::fp32);
    for (std::int32_t threads = 1; threads <= usable_processors(); threads *= 2) {
        add_network(fmt::format("threads/{}/{}", s.name, threads),
                    [threads](benchmark::State& state, const subject& of) { by_threads(state, of, threads); });
    }
    if (!has_bf16) return;
    add_network("network/" + s.name + "/bf16", bf16_beside_both);
    add_layers(s, host_precision::bf16);
}

}  // namespace

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::AddCustomContext("memcpy_one_core_gb_per_second",
                                fmt::format("{}", limits().copy_bytes_per_second / 1e9));
    benchmark::AddCustomContext("gflops_one_core", fmt::format("{}", limits().flops_per_second / 1e9));
    const bool has_bf16 = inference::cpu::best_kernels().has_bf16;
    benchmark::AddCustomContext("bf16", has_bf16 ? "measured" : "not measured: this CPU has no AVX512_BF16");
    for (const subject& s : subjects())
        add(s, has_bf16);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
