// SPDX-License-Identifier: Apache-2.0
// What the memory flow itself costs: the frame cache under contention, the ledger, a hop through a stream, and copies of a
// 1080p frame on each device beside memcpy.
#include <benchmark/benchmark.h>

#include <cstring>

#include "backends/open_devices.hpp"
#include "frame/frame_cache.hpp"
#include "frame/frame_store.hpp"
#include "machine.hpp"

namespace faceflow::internal {
namespace {

constexpr std::size_t frame_bytes = 3110400;  // 1920x1080 4:2:0

// Of this machine's memcpy on one core, read plus written.
double copy_rate() {
    static const double rate = bench::measure_limits(1).copy_bytes_per_second;
    return rate;
}

// Copies read and write every byte that they move.
void declare_copies(benchmark::State& state) {
    const auto moved = state.iterations() * static_cast<std::int64_t>(2 * frame_bytes);
    state.SetBytesProcessed(moved);
    state.counters["of_memcpy"] =
        benchmark::Counter(static_cast<double>(moved) / copy_rate(), benchmark::Counter::kIsRate);
}

frame frame_of(std::uint64_t sequence) {
    frame f;
    f.id = {0, sequence};
    f.picture.format = pixel_format::i420;
    f.picture.width = 1920;
    f.picture.height = 1080;
    return f;
}

// Each thread puts a frame of its own and asks for it twice, as two stages would; 64 frames are there throughout.
void cache_put_and_get(benchmark::State& state) {
    static frame_cache cache({.time_to_live = std::chrono::hours(1), .byte_cap = 64 * frame_bytes});
    std::uint64_t n = static_cast<std::uint64_t>(state.thread_index()) << 40;
    for (auto _ : state) {
        const frame f = frame_of(++n);
        cache.put(f, frame_bytes);
        benchmark::DoNotOptimize(cache.get(key_of(f)));
        benchmark::DoNotOptimize(cache.get(key_of(f)));
    }
    state.SetItemsProcessed(3 * state.iterations());
}
BENCHMARK(cache_put_and_get)->Threads(1)->Threads(2)->Threads(4);

// All that the ledger is asked for in one frame: an upload, a download, a sync.
void ledger_of_a_frame(benchmark::State& state) {
    ledger book;
    const tag t{stage::capture, {0, 1}};
    for (auto _ : state) {
        book.record_transfer(direction::host_to_device, frame_bytes, true, t);
        book.record_transfer(direction::device_to_host, 47152, true, t);
        book.record_sync(t);
    }
}
BENCHMARK(ledger_of_a_frame);

struct opened {
    std::vector<std::unique_ptr<device>> devices;
    std::unique_ptr<stream> on;
    std::unique_ptr<event> done;
    opened(const char* name, const char* link) : devices(open_devices({name, std::size_t{1} << 30, link}).value()) {
        on = devices.front()->make_stream("bench").value();
        done = devices.front()->make_event().value();
    }
};

// An empty task and the wait for it: what one host sync costs on a device without work.
void stream_hop(benchmark::State& state) {
    opened d("emulated", "none");
    for (auto _ : state) {
        d.on->run([]() -> result<void> { return {}; });
        benchmark::DoNotOptimize(synchronise(*d.on, *d.done, {}));
    }
}
BENCHMARK(stream_hop)->UseRealTime();

void memcpy_of_a_frame(benchmark::State& state) {
    std::vector<std::byte> from(16 * frame_bytes, std::byte{1}), to(16 * frame_bytes);
    std::size_t n = 0;
    for (auto _ : state) {
        const std::size_t at = (n++ % 16) * frame_bytes;
        std::memcpy(to.data() + at, from.data() + at, frame_bytes);
        benchmark::ClobberMemory();
    }
    declare_copies(state);
}
BENCHMARK(memcpy_of_a_frame)->UseRealTime();

// transfer() and the wait for it.
void copy_of_a_frame(benchmark::State& state, const char* name, const char* link, bool up, bool pinned) {
    opened d(name, link);
    device& on = *d.devices.front();
    // In turns between more than the caches hold.
    constexpr std::size_t frames = 16;
    auto memory = device_buffer::allocate(on.pool(), frames * frame_bytes).value();
    std::vector<host_block> host;
    for (std::size_t i = 0; i < frames; ++i) {
        host.push_back(on.allocate_host(frame_bytes, pinned).value());
        std::memset(host.back().data, 1, frame_bytes);
    }
    const auto way = up ? direction::host_to_device : direction::device_to_host;
    std::size_t n = 0;
    for (auto _ : state) {
        const std::size_t i = n++ % frames;
        benchmark::DoNotOptimize(transfer(*d.on, way, memory.data() + i * frame_bytes, host[i], frame_bytes, {}));
        benchmark::DoNotOptimize(synchronise(*d.on, *d.done, {}));
    }
    for (const host_block& block : host)
        on.release_host(block);
    declare_copies(state);
}
BENCHMARK_CAPTURE(copy_of_a_frame, cpu, "cpu", "none", true, false)->UseRealTime();
BENCHMARK_CAPTURE(copy_of_a_frame, emulated_no_link_up, "emulated", "none", true, true)->UseRealTime();
BENCHMARK_CAPTURE(copy_of_a_frame, emulated_pcie4_up_pinned, "emulated", "pcie4", true, true)->UseRealTime();
BENCHMARK_CAPTURE(copy_of_a_frame, emulated_pcie4_up_pageable, "emulated", "pcie4", true, false)->UseRealTime();
BENCHMARK_CAPTURE(copy_of_a_frame, emulated_pcie4_down_pinned, "emulated", "pcie4", false, true)->UseRealTime();
BENCHMARK_CAPTURE(copy_of_a_frame, emulated_pcie3_up_pinned, "emulated", "pcie3", true, true)->UseRealTime();

// A whole upload: slot, staging, packing of padded planes, transfer, event, cache.
void upload_of_a_frame(benchmark::State& state) {
    opened d("emulated", "none");
    std::vector<std::uint8_t> luma(2048 * 1080), chroma(2 * 1024 * 540);
    host_frame f;
    f.picture = frame_of(0).picture;
    f.picture.planes[0] = {luma.data(), 2048};
    f.picture.planes[1] = {chroma.data(), 1024};
    f.picture.planes[2] = {chroma.data() + 1024 * 540, 1024};
    {
        frame_store store(*d.devices.front(), {.time_to_live = std::chrono::milliseconds(20)});
        for (auto _ : state) {
            ++f.id.sequence;
            benchmark::DoNotOptimize(store.upload(*d.on, f, stage::capture));
            benchmark::DoNotOptimize(synchronise(*d.on, *d.done, {}));
        }
        store.close();
    }
    declare_copies(state);
}
BENCHMARK(upload_of_a_frame)->UseRealTime();

}  // namespace
}  // namespace faceflow::internal

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::AddCustomContext("memcpy_one_core_gb_per_second", std::to_string(faceflow::internal::copy_rate() / 1e9));
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
