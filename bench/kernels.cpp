// SPDX-License-Identifier: Apache-2.0
// The parts of a frame's way, one at a time. Each declares the bytes that it must read and write; `of_memcpy` is that rate
// over the rate of a memcpy on one core of this machine, where memory could be the limit.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "core/queue.hpp"
#include "device/ledger.hpp"
#include "frame/host_frame.hpp"
#include "frame/layout.hpp"
#include "machine.hpp"
#include "media/canvas.hpp"
#include "media/overlay.hpp"
#include "media/result_writer.hpp"
#include "vision/detect.hpp"
#include "vision/mesh_data.hpp"
#include "vision/sample.hpp"
#include "vision/tracker.hpp"

namespace {

using namespace faceflow;
using namespace faceflow::internal;

constexpr std::int32_t frame_width = 1920, frame_height = 1080, detect_width = 640, detect_height = 384;

double copy_rate() {
    static const double rate = bench::measure_limits(1).copy_bytes_per_second;
    return rate;
}

void report_bytes(benchmark::State& state, double bytes_each) {
    const double total = bytes_each * static_cast<double>(state.iterations());
    state.SetBytesProcessed(static_cast<std::int64_t>(total));
    state.counters["of_memcpy"] = benchmark::Counter(total / copy_rate(), benchmark::Counter::kIsRate);
}

struct picture {
    image view;
    std::vector<std::vector<std::uint8_t>> planes;
};

picture noise(pixel_format format, std::uint32_t seed) {
    picture p;
    p.view.format = format;
    p.view.width = frame_width;
    p.view.height = frame_height;
    if (layout_of(format).rgb) p.view.matrix = colour_matrix::rgb;
    std::minstd_rand random(seed);
    for (int i = 0; i < plane_count(format); ++i) {
        const auto extent = extent_of(format, frame_width, frame_height, i);
        auto& bytes = p.planes.emplace_back(extent.bytes());
        for (auto& b : bytes)
            b = static_cast<std::uint8_t>(random() >> 8);
        p.view.planes[static_cast<std::size_t>(i)] = {bytes.data(), static_cast<std::int32_t>(extent.row_bytes)};
    }
    return p;
}

// range(0): how many frames take turns. 1: the frame lies in the cache, as far as it fits; 16: 50 to 100 MB, it does not.
std::vector<picture> frames(pixel_format format, const benchmark::State& state) {
    std::vector<picture> all;
    for (std::int64_t i = 0; i < state.range(0); ++i)
        all.push_back(noise(format, static_cast<std::uint32_t>(i + 1)));
    return all;
}

void letterbox(benchmark::State& state, pixel_format format) {
    const auto all = frames(format, state);
    std::vector<float> tensor(std::size_t{3} * detect_width * detect_height);
    const vision::tensor_target target = vision::planes(tensor.data(), detect_width, detect_height, 255);
    const auto l = vision::fit(frame_width, frame_height, detect_width, detect_height);
    std::size_t at = 0;
    for (auto _ : state) {
        vision::sample_letterbox(vision::make_sampling_source(all[at++ % all.size()].view), l, target);
        benchmark::ClobberMemory();
    }
    // Two of three rows are read.
    report_bytes(state, static_cast<double>(native_bytes(format, frame_width, frame_height)) * 2 / 3 +
                            static_cast<double>(tensor.size() * sizeof(float)));
}

void crop(benchmark::State& state, pixel_format format) {
    constexpr std::int32_t size = 192;
    constexpr float side = 400;
    const auto all = frames(format, state);
    std::vector<float> tensor(std::size_t{3} * size * size);
    const vision::tensor_target target = vision::planes(tensor.data(), size, size);
    std::size_t at = 0;
    for (auto _ : state) {
        // Regions wander, as faces do.
        const float step = static_cast<float>(at % 7) * 31;
        const vision::region where{500 + step * 4, 400 + step, side, 0.05f + 0.04f * static_cast<float>(at % 5)};
        vision::sample(vision::make_sampling_source(all[at++ % all.size()].view),
                       vision::frame_from_region(where, size), target);
        benchmark::ClobberMemory();
    }
    const double pixel =
        static_cast<double>(native_bytes(format, frame_width, frame_height)) / frame_width / frame_height;
    report_bytes(state, side * side * pixel + static_cast<double>(tensor.size() * sizeof(float)));
}

#define SAMPLING(function, name, format)                    \
    BENCHMARK_CAPTURE(function, name, pixel_format::format) \
        ->ArgName("frames")                                 \
        ->Arg(1)                                            \
        ->Arg(16)                                           \
        ->Unit(benchmark::kMicrosecond)
SAMPLING(letterbox, NV12, nv12);
SAMPLING(letterbox, I420, i420);
SAMPLING(letterbox, BGR24, bgr24);
SAMPLING(crop, NV12, nv12);
SAMPLING(crop, I420, i420);
SAMPLING(crop, BGR24, bgr24);

// RetinaFace's outputs at 640x384 with range(0) faces, each seen by ten cells of the finest level.
void decode_and_suppress(benchmark::State& state) {
    vision::detector_output o;
    o.levels = 3;
    o.fit = vision::fit(frame_width, frame_height, detect_width, detect_height);
    o.frame_width = frame_width;
    o.frame_height = frame_height;
    std::vector<std::vector<float>> maps;
    double bytes = 0;
    for (int i = 0; i < 3; ++i) {
        const int stride = 32 >> i;
        const std::int32_t columns = detect_width / stride, rows = detect_height / stride;
        const auto area = static_cast<std::size_t>(columns * rows);
        maps.emplace_back(area * 4, 0.01f);
        maps.emplace_back(area * 8, 0.1f);
        maps.emplace_back(area * 20, 0.1f);
        auto* m = &maps[maps.size() - 3];
        o.level[i] = {m[0].data(), m[1].data(), m[2].data(), columns, rows, 2, static_cast<float>(stride)};
        bytes += static_cast<double>(area) * 2 * sizeof(float);
    }
    auto& scores = maps[6];
    const std::size_t cells = 80 * 48;
    for (std::int64_t f = 0; f < state.range(0); ++f) {
        for (std::size_t k = 0; k < 10; ++k)
            scores[2 * cells + (static_cast<std::size_t>(f) * 37 + k / 5 * 80 + k % 5) % cells] = 0.9f;
    }
    auto scratch = std::make_unique<vision::detect_scratch>();
    std::vector<std::byte> out(vision::detection_set::bytes(100));
    auto* faces = reinterpret_cast<vision::detection_set*>(out.data());
    for (auto _ : state) {
        vision::detect_faces(vision::serial_block{}, o, {}, scratch.get(), faces);
        benchmark::DoNotOptimize(faces->count);
    }
    state.counters["faces"] = faces->count;
    report_bytes(state, bytes);
}
BENCHMARK(decode_and_suppress)->ArgName("faces")->Arg(4)->Arg(100)->Unit(benchmark::kMicrosecond);

frame_faces crowd(std::int64_t count) {
    frame_faces f;
    f.width = frame_width;
    f.height = frame_height;
    for (std::int64_t i = 0; i < count; ++i) {
        face& x = f.faces.emplace_back();
        x.score = 0.99f;
        x.presence = 0.98f;
        x.box = {static_cast<float>(i % 10) * 190 + 10, static_cast<float>(i / 10) * 105 + 5, 80, 90};
        for (std::size_t k = 0; k < x.landmarks.size(); ++k) {
            const auto at = static_cast<float>(k);
            x.landmarks[k] = {x.box.x + at * 0.1617f, x.box.y + at * 0.1877f, at * 0.0532f - 12};
        }
    }
    return f;
}

void track(benchmark::State& state) {
    vision::tracker tracks;
    auto faces = crowd(state.range(0)).faces;
    std::int64_t pts_ns = 0, frame = 0;
    for (auto _ : state) {
        const float step = frame++ % 20 < 10 ? 1.5f : -1.5f;
        for (auto& f : faces)
            f.box.x += step;
        tracks.update(pts_ns += 33'333'333, faces);
        benchmark::ClobberMemory();
    }
    state.counters["last_track"] = static_cast<double>(faces.back().track);
}
BENCHMARK(track)->ArgName("faces")->Arg(4)->Arg(100)->Unit(benchmark::kMicrosecond);

// To /dev/null, so that it is the text that costs; bytes are those of the line.
void ndjson(benchmark::State& state) {
    const auto frame = crowd(state.range(0));
    namespace fs = std::filesystem;
    const fs::path probe = fs::temp_directory_path() / ("faceflow-bench-line-" + std::to_string(state.range(0)));
    {
        auto one = media::make_ndjson_writer(probe);
        if (!one || !(*one)->write(frame, "clip.mp4") || !(*one)->commit())
            return state.SkipWithError("no temporary file");
    }
    const auto line = static_cast<double>(fs::file_size(probe));
    fs::remove(probe);
    auto writer = media::make_ndjson_writer("/dev/null");
    if (!writer) return state.SkipWithError("no /dev/null");
    for (auto _ : state) {
        if (!(*writer)->write(frame, "clip.mp4")) return state.SkipWithError("write failed");
    }
    report_bytes(state, line);
    state.counters["line_bytes"] = line;
}
BENCHMARK(ndjson)->ArgName("faces")->Arg(4)->Arg(100)->Unit(benchmark::kMicrosecond);

// A face that looks at the camera, with all that is drawn of one.
face drawn_face(std::int64_t track, rect box) {
    face f;
    f.track = track;
    f.box = box;
    const float per_cm = box.width / 15.5F;
    const auto at = [&](float x, float y) {
        return point3{box.x + box.width / 2 + x * per_cm, box.y + box.height / 2 - y * per_cm, 0};
    };
    const auto vertices = mesh::canonical_vertices();
    for (std::size_t i = 0; i < vertices.size(); ++i)
        f.landmarks[i] = at(vertices[i][0], vertices[i][1]);
    for (std::size_t eye = 0; eye < 2; ++eye) {
        const std::size_t iris = vertices.size() + 5 * eye;
        const float x = eye == 0 ? -3.2F : 3.2F, y = 2.7F, radius = 0.6F;
        f.landmarks[iris] = at(x, y);
        f.landmarks[iris + 1] = at(x + radius, y);
        f.landmarks[iris + 2] = at(x, y + radius);
        f.landmarks[iris + 3] = at(x - radius, y);
        f.landmarks[iris + 4] = at(x, y - radius);
    }
    f.pose.matrix = {0.96F, 0.1F, 0.2F, 0, -0.1F, 0.98F, 0.1F, 0, -0.2F, -0.1F, 0.96F, -50, 0, 0, 0, 1};
    return f;
}

// A frame of the annotated video before it is encoded: a copy, and what is drawn on it. The bytes are the copy's.
void annotate(benchmark::State& state) {
    const auto all = frames(pixel_format::i420, state);
    media::canvas_maker canvases(media::canvas_format_of(all.front().view));
    frame_faces found;
    found.width = frame_width;
    found.height = frame_height;
    for (std::int64_t i = 0; i < state.range(1); ++i) {
        const auto x = static_cast<float>(i % 4) * 420 + 180, y = static_cast<float>(i % 3) * 150 + 250;
        found.faces.push_back(drawn_face(i + 1, {x, y, 220, 280}));
    }
    std::size_t turn = 0;
    for (auto _ : state) {
        auto canvas = canvases.make(all[turn++ % all.size()].view);
        if (!canvas) return state.SkipWithError("no memory");
        auto planes = canvases.planes_of(**canvas);
        media::draw_faces_on(planes, found);
        benchmark::ClobberMemory();
    }
    report_bytes(state, 2 * 1.5 * frame_width * frame_height);
}
BENCHMARK(annotate)->ArgNames({"frames", "faces"})->ArgsProduct({{1, 16}, {0, 4}})->Unit(benchmark::kMicrosecond);

void queue_same_thread(benchmark::State& state) {
    bounded_queue<host_frame> queue(4, queue_policy::block);
    const auto pixels = std::make_shared<int>(0);
    for (auto _ : state) {
        host_frame f;
        f.owner = pixels;
        queue.push(std::move(f));
        benchmark::DoNotOptimize(queue.pop());
    }
}
BENCHMARK(queue_same_thread);

// There and back between two threads that sleep while they wait: two hops an iteration, wake-ups included.
void queue_to_thread_and_back(benchmark::State& state) {
    bounded_queue<host_frame> there(4, queue_policy::block), back(4, queue_policy::block);
    std::thread echo([&] {
        while (auto f = there.pop())
            back.push(std::move(*f));
    });
    for (auto _ : state) {
        there.push({});
        benchmark::DoNotOptimize(back.pop());
    }
    there.close();
    echo.join();
}
BENCHMARK(queue_to_thread_and_back)->UseRealTime()->Unit(benchmark::kMicrosecond);

void ledger_record(benchmark::State& state) {
    static ledger book;
    const tag t{stage::detect, {0, 1}};
    for (auto _ : state)
        book.record_transfer(direction::host_to_device, 3'110'400, true, t);
}
BENCHMARK(ledger_record)->Threads(1)->Threads(2);

}  // namespace

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::AddCustomContext("memcpy_one_core_gb_per_second", std::to_string(copy_rate() / 1e9));
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
