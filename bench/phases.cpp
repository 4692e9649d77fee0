// SPDX-License-Identifier: Apache-2.0
#include "phases.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>
#include <vector>

#include "backends/open_devices.hpp"
#include "engine/engine.hpp"
#include "engine/run.hpp"
#include "frame/layout.hpp"
#include "inference/catalogue.hpp"
#include "machine.hpp"
#include "media/result_writer.hpp"
#include "media/source.hpp"

namespace faceflow::internal::bench {
namespace {

using clock = std::chrono::steady_clock;

double seconds_since(clock::time_point begun) {
    return std::chrono::duration<double>(clock::now() - begun).count();
}

unsigned cores() {
    return std::max(1u, std::thread::hardware_concurrency());
}

class scratch_folder {
public:
    scratch_folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "faceflow-bench-XXXXXX").string();
        if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
    }
    ~scratch_folder() {
        std::error_code ec;
        if (!path_.empty()) std::filesystem::remove_all(path_, ec);
    }
    scratch_folder(const scratch_folder&) = delete;
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

// Noise in the pictures of a network that is bound on the CPU.
void fill_with_noise(const inference::bound_network& bound, const inference::picture_form& form, std::size_t floats,
                     std::uint32_t seed) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> noise(form.bias, form.bias + form.scale);
    std::generate_n(reinterpret_cast<float*>(bound.input()), floats, [&] { return noise(random); });
}

}  // namespace

result<decode_cost> decode_alone(const std::string& clip, std::uint64_t limit) {
    auto opened = media::open_source(clip, {});
    if (!opened) return tl::unexpected(std::move(opened.error()));
    decode_cost c;
    const double cpu = cpu_now().own;
    const auto begun = clock::now();
    while (c.frames < limit) {
        auto read = (*opened)->next();
        if (!read) return tl::unexpected(std::move(read.error()));
        if (!*read) break;
        const image& p = (*read)->frame.picture;
        c.width = p.width;
        c.height = p.height;
        c.frame_bytes = static_cast<double>(native_bytes(p.format, p.width, p.height));
        ++c.frames;
    }
    c.seconds = seconds_since(begun);
    c.cpu_seconds = cpu_now().own - cpu;
    return c;
}

struct model_bench::lane {
    std::unique_ptr<stream> on;
    std::unique_ptr<inference::bound_network> detector, mesh;
};

struct model_bench::state {
    std::unique_ptr<device> cpu;
    flow::model_set models;
    std::vector<lane> lanes;
};

model_bench::model_bench(std::unique_ptr<state> s) : state_(std::move(s)) {}
model_bench::~model_bench() = default;

result<std::unique_ptr<model_bench>> model_bench::create() {
    auto s = std::make_unique<state>();
    auto store = inference::model_store::open();
    if (!store) return tl::unexpected(std::move(store.error()));
    auto devices = open_devices({.name = "cpu"});
    if (!devices) return tl::unexpected(std::move(devices.error()));
    s->cpu = std::move(devices->front());
    const auto runtime = [] { return inference::runtime::create({static_cast<int>(cores())}); };
    options chosen;
    if (auto r = flow::choose_inference(chosen, true); !r) return tl::unexpected(std::move(r.error()));
    auto models = flow::load_models(
        {.chosen = chosen, .store = *store, .on = *s->cpu, .runtime = runtime, .how = inference::threading::caller});
    if (!models) return tl::unexpected(std::move(models.error()));
    s->models = std::move(*models);
    s->lanes.resize(cores());
    std::uint32_t seed = 1;
    for (auto& l : s->lanes) {
        auto on = s->cpu->make_stream("bench");
        if (!on) return tl::unexpected(std::move(on.error()));
        l.on = std::move(*on);
        const auto bind = [&](inference::network& model, std::unique_ptr<inference::bound_network>& into,
                              inference::binding_request wanted) -> result<void> {
            auto bound = model.bind(*l.on, wanted);
            if (!bound) return tl::unexpected(std::move(bound.error()));
            into = std::move(*bound);
            const auto floats = static_cast<std::size_t>(wanted.most * 3 * wanted.height * wanted.width);
            fill_with_noise(*into, model.form(), floats, seed++);
            return {};
        };
        const auto& m = s->models;
        auto bound = bind(*m.detector, l.detector,
                          {.height = m.detect_height, .width = m.detect_width, .outputs = m.detector_outputs()})
                         .and_then([&] {
                             return bind(*m.mesh, l.mesh,
                                         {.height = m.mesh_graph.size,
                                          .width = m.mesh_graph.size,
                                          .most = static_cast<std::int32_t>(faces_per_frame),
                                          .outputs = m.mesh_outputs()});
                         });
        if (!bound) return tl::unexpected(std::move(bound.error()));
    }
    return std::unique_ptr<model_bench>(new model_bench(std::move(s)));
}

result<model_bench::cost> model_bench::run(std::uint64_t frames) {
    std::atomic<std::uint64_t> next{0};
    std::vector<result<void>> ended(state_->lanes.size());
    const auto work = [&](std::size_t i) -> result<void> {
        lane& l = state_->lanes[i];
        while (next.fetch_add(1, std::memory_order_relaxed) < frames) {
            if (auto r = l.detector->run(0, 1); !r) return r;
            if (auto r = l.mesh->run(0, static_cast<std::int32_t>(faces_per_frame)); !r) return r;
        }
        return {};
    };
    cost c;
    c.frames = frames;
    const double cpu = cpu_now().own;
    const auto begun = clock::now();
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < state_->lanes.size(); ++i)
            threads.emplace_back([&, i] { ended[i] = work(i); });
    }
    c.seconds = seconds_since(begun);
    c.cpu_seconds = cpu_now().own - cpu;
    for (auto& e : ended) {
        if (!e) return tl::unexpected(std::move(e.error()));
    }
    return c;
}

result<whole_cost> end_to_end(const std::string& clip, std::uint64_t limit) {
    const scratch_folder folder;
    run_request wanted;
    wanted.inputs = {clip};
    wanted.out = folder.path();
    wanted.formats = {media::format_of_file("faces.ndjson")};
    wanted.video = false;
    wanted.limit = limit;
    wanted.chosen.detect = detect_mode::always;  // as the parts beside it count a detector a frame
    const std::atomic<bool> stop{false};
    const cpu_seconds before = cpu_now();
    const auto begun = clock::now();
    auto report = run(wanted, stop, {});
    if (!report) return tl::unexpected(std::move(report.error()));
    whole_cost c;
    c.wall_seconds = seconds_since(begun);
    const cpu_seconds after = cpu_now();
    c.others = std::max(0.0, (after.machine - before.machine) - (after.own - before.own)) / (c.wall_seconds * cores());
    c.seconds = report->seconds;
    c.cpu_seconds = after.own - before.own;
    c.frames = report->frames;
    c.faces = report->faces;
    c.tracks = report->tracks;
    std::error_code ec;
    c.result_bytes = static_cast<double>(std::filesystem::file_size(folder.path() / "faces.ndjson", ec));
    const auto& stages = (*report->summary)["stage_ms"];
    c.capture_ms = stages["capture"];
    c.detect_ms = stages["detect"];
    c.region_ms = stages["region"];
    c.landmark_ms = stages["landmark"];
    c.track_ms = stages["track"];
    c.sink_ms = stages["sink"];
    return c;
}

result<first_run> first_pass(const std::string& clip, std::uint64_t limit) {
    const scratch_folder folder;
    auto opened = media::open_source(clip, {});
    if (!opened) return tl::unexpected(std::move(opened.error()));
    const std::uint64_t frames = std::min(limit, static_cast<std::uint64_t>((*opened)->info().frames.value_or(0)));
    auto made = media::make_ndjson_writer(folder.path() / "faces.ndjson");
    if (!made) return tl::unexpected(std::move(made.error()));
    auto& writer = **made;

    first_run seen;
    std::uint64_t done = 0;
    result<void> written;
    auto engine = face_engine::create({options{}, [&](const host_frame&, result<frame_faces> faces) {
                                           if (done++ == 0) seen.first_result_seconds = seconds_since_process_start();
                                           if (faces && written) written = writer.write(*faces, clip);
                                           if (done == frames / 2) {
                                               seen.half_bytes = static_cast<double>(peak_resident_bytes());
                                           }
                                       }});
    if (!engine) return tl::unexpected(std::move(engine.error()));
    (*engine)->begin_source(0);
    for (std::uint64_t n = 0; n < limit; ++n) {
        auto read = (*opened)->next();
        if (!read) return tl::unexpected(std::move(read.error()));
        if (!*read) break;
        if (auto r = (*engine)->submit(std::move((*read)->frame)); !r) return tl::unexpected(std::move(r.error()));
    }
    (*engine)->end_source(0);
    (*engine)->drain();
    seen.end_bytes = static_cast<double>(peak_resident_bytes());
    if (!written) return tl::unexpected(std::move(written.error()));
    return seen;
}

}  // namespace faceflow::internal::bench
