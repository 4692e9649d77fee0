#include "phases.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>
#include <vector>

#include "engine/engine.hpp"
#include "engine/run.hpp"
#include "frame/layout.hpp"
#include "inference/catalogue.hpp"
#include "machine.hpp"
#include "media/result_writer.hpp"
#include "media/source.hpp"

namespace faceflow::bench {
namespace {

using clock = std::chrono::steady_clock;
using inference::binding;
using inference::bound_tensor;

double seconds_since(clock::time_point begun) {
    return std::chrono::duration<double>(clock::now() - begun).count();
}

unsigned cores() {
    return std::max(1u, std::thread::hardware_concurrency());
}

std::size_t elements_of(const std::vector<std::int64_t>& shape) {
    std::size_t n = 1;
    for (const auto d : shape)
        n *= static_cast<std::size_t>(d);
    return n;
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

// Tensors on the heap, aligned as the device's pool aligns them, and the bindings to them.
struct tensors {
    std::vector<std::unique_ptr<float, decltype(&std::free)>> memory;

    float* make(const std::vector<std::int64_t>& shape) {
        const std::size_t bytes = (elements_of(shape) * sizeof(float) + 255) / 256 * 256;
        memory.emplace_back(static_cast<float*>(std::aligned_alloc(256, bytes)), &std::free);
        std::fill_n(memory.back().get(), bytes / sizeof(float), 0.0f);
        return memory.back().get();
    }

    result<binding> bind(const std::shared_ptr<inference::session>& model, const std::vector<std::int64_t>& input,
                         float scale, std::uint32_t seed) {
        auto shapes = model->output_shapes(input);
        if (!shapes) return tl::unexpected(std::move(shapes.error()));
        float* in = make(input);
        std::mt19937 random(seed);
        std::uniform_real_distribution<float> noise(0, scale);
        std::generate_n(in, elements_of(input), [&] { return noise(random); });
        const bound_tensor from{model->inputs().front().name, in, input};
        std::vector<bound_tensor> to;
        for (std::size_t i = 0; i < shapes->size(); ++i)
            to.push_back({model->outputs()[i].name, make((*shapes)[i]), (*shapes)[i]});
        return binding::create(model, std::span(&from, 1), to);
    }
};

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
    tensors memory;
    std::vector<binding> detector, mesh;
};

struct model_bench::state {
    flow::model_set models;
    std::vector<lane> lanes;
};

model_bench::model_bench(std::unique_ptr<state> s) : state_(std::move(s)) {}
model_bench::~model_bench() = default;

result<std::unique_ptr<model_bench>> model_bench::create() {
    auto s = std::make_unique<state>();
    auto store = inference::model_store::open();
    if (!store) return tl::unexpected(std::move(store.error()));
    auto runtime = inference::runtime::create({static_cast<int>(cores())});
    if (!runtime) return tl::unexpected(std::move(runtime.error()));
    auto models = flow::load_models(options{}, *store, *runtime, inference::threading::caller);
    if (!models) return tl::unexpected(std::move(models.error()));
    s->models = std::move(*models);
    s->lanes.resize(cores());
    std::uint32_t seed = 1;
    for (auto& l : s->lanes) {
        const auto& m = s->models;
        auto detector = m.detector->for_batch(1).and_then([&](const auto& session) {
            return l.memory.bind(session, {1, 3, m.detect_height, m.detect_width}, m.detect_scale, seed++);
        });
        if (!detector) return tl::unexpected(std::move(detector.error()));
        l.detector.push_back(std::move(*detector));
        auto mesh = m.mesh->for_batch(faces_per_frame).and_then([&](const auto& session) {
            return l.memory.bind(session, {faces_per_frame, 3, flow::mesh_input_size, flow::mesh_input_size}, 1,
                                 seed++);
        });
        if (!mesh) return tl::unexpected(std::move(mesh.error()));
        l.mesh.push_back(std::move(*mesh));
    }
    return std::unique_ptr<model_bench>(new model_bench(std::move(s)));
}

result<model_bench::cost> model_bench::run(std::uint64_t frames) {
    std::atomic<std::uint64_t> next{0};
    std::vector<result<void>> ended(state_->lanes.size());
    const auto work = [&](std::size_t i) -> result<void> {
        lane& l = state_->lanes[i];
        while (next.fetch_add(1, std::memory_order_relaxed) < frames) {
            if (auto r = l.detector.front().run(); !r) return r;
            if (auto r = l.mesh.front().run(); !r) return r;
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
    wanted.csv = wanted.video = false;
    wanted.limit = limit;
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

}  // namespace faceflow::bench
