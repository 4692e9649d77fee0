// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "backends/open_devices.hpp"
#include "core/option_error.hpp"
#include "core/processors.hpp"
#include "core/try.hpp"
#include "flow/option_table.hpp"
#include "flow/stages/detect_schedule.hpp"
#include "frame/layout.hpp"
#include "vision/pose_convention.hpp"

namespace faceflow::internal {
namespace {

std::int32_t threads_of(const options& o) {
    return o.threads > 0 ? o.threads : usable_processors();
}

result<void> open_cpu_instead(const options& o, runtime_context& e, std::string note) {
    FACEFLOW_ASSIGN(e.devices, open_devices({"cpu", o.device_memory, o.link, threads_of(o)}));
    if (!note.empty()) e.notes.push_back(std::move(note));
    return {};
}

// `auto` is CUDA device 0 if there is one, else the CPU.
result<void> open_devices_for(const options& o, runtime_context& e) {
    const bool choose = o.device == "auto";
    // The memory cap is shared by all processes.
    auto devices =
        open_devices({choose ? "cuda" : o.device, o.device_memory / flow::pools_of(o.flow), o.link, threads_of(o)});
    if (!devices) {
        if (!choose || devices.error().code == errc::invalid_argument)
            return tl::unexpected(std::move(devices.error()));
        // The absence of a GPU is not worth a note.
        const bool expected = devices.error().code == errc::unavailable;
        return open_cpu_instead(o, e, expected ? "" : "computing on the CPU: " + devices.error().message);
    }
    e.devices = std::move(*devices);
    return {};
}

// Checks that ONNX Runtime is installed if it is to run the models.
result<void> check_runtime(const options& o) {
    if (o.inference == inference_backend::automatic || o.inference == inference_backend::native) return {};
    const auto found = inference::find_runtime();
    if (found) return {};
    const bool any_precision = o.precision == precision::automatic;
    return fail(
        found.error().code,
        fmt::format("--inference {}{}: {}; or take --inference native{}", name(o.inference),
                    any_precision ? "" : fmt::format(" in --precision {}", name(o.precision)), found.error().message,
                    any_precision ? ", the default" : ", which has a precision of its own"));
}

// Checks the inference options as far as is possible before models are loaded.
result<void> check_inference(options o, bool on_host) {
    FACEFLOW_TRY(flow::choose_inference(o, on_host));
    return check_runtime(o);
}

}  // namespace

result<std::shared_ptr<runtime_context>> runtime_context::open(const options& o) {
    FACEFLOW_TRY(check(o));
    FACEFLOW_TRY(check_runtime(o));
    auto e = std::make_shared<runtime_context>();
    FACEFLOW_TRY(open_devices_for(o, *e));
    FACEFLOW_TRY(check_inference(o, e->devices.front()->computes_on_host()));
    e->routes = std::make_unique<flow::source_routes>(e->devices.size());
    return e;
}

result<void> check(const options& o) {
    FACEFLOW_TRY(flow::check_values(o));
    if (o.tiles > 0 && o.detector != detector::retinaface)
        return fail_option("tiles", "is for RetinaFace: the input of BlazeFace has one size");
    if (o.detect != detect_mode::automatic && o.detect_every > 1) {
        return fail_option("detect_every", fmt::format("cannot be given beside --detect {}, which detects in every "
                                                       "frame",
                                                       name(o.detect)));
    }
    if (o.detect_width % 32 != 0 || o.detect_height % 32 != 0) {
        return fail(errc::invalid_argument,
                    fmt::format("the detector's size must be multiples of 32, not {}x{}; next: {}x{}", o.detect_width,
                                o.detect_height, (o.detect_width + 31) / 32 * 32, (o.detect_height + 31) / 32 * 32));
    }
    return {};
}

void share_work(options& o, bool on_host, std::size_t devices, std::size_t sources, bool pictures) {
    constexpr std::size_t frames_of_thread = 3, max_host_frames = 8;  // as many threads run a network
    constexpr std::size_t max_frames = vision::max_pass_frames, usual_lanes = 2, max_lanes = 6, sources_of_lane = 48;
    const bool live = o.pacing == pacing::live;
    std::size_t lanes = 1, frames = 1;
    if (on_host) {
        const std::size_t threads = std::max<std::size_t>(1, static_cast<std::size_t>(o.threads) / devices);
        // ONNX Runtime uses all threads for a live frame by itself; native kernels use the threads that other lanes
        // leave idle.
        const bool spread = o.inference != inference_backend::automatic && o.inference != inference_backend::native;
        const std::size_t here = std::max<std::size_t>(1, (sources + devices - 1) / devices);
        const bool any_number = pictures || (!live && sources == 0);
        if (!live || !spread) lanes = any_number ? threads : std::min(here, threads);
        // Threads without a source of their own detect in further frames of one.
        if (!live && !spread && flow::detects_in_every_frame(o))
            frames =
                threads > lanes ? std::min(frames_of_thread * ((threads + lanes - 1) / lanes), max_host_frames) : 1;
    } else {
        lanes = usual_lanes;
        frames = max_frames;
        if (live && sources > 0) {
            const std::size_t here = (sources + devices - 1) / devices;  // per device
            lanes = std::clamp((here + sources_of_lane - 1) / sources_of_lane, std::min(here, usual_lanes), max_lanes);
            frames = std::min(max_frames, (here + lanes - 1) / lanes);
        }
    }
    if (o.tuning.lanes == 0) o.tuning.lanes = static_cast<std::int32_t>(lanes);
    if (o.tuning.batch_frames == 0) o.tuning.batch_frames = static_cast<std::int32_t>(frames);
}

result<std::unique_ptr<face_engine>> face_engine::create(setup s) {
    FACEFLOW_TRY(check(s.chosen));
    std::unique_ptr<face_engine> e(new face_engine(std::move(s)));
    options& o = e->setup_.chosen;
    e->metrics_.tracing = e->setup_.tracing;
    o.threads = threads_of(o);

    e->with_ = std::move(e->setup_.with);
    if (e->with_ == nullptr) {
        FACEFLOW_ASSIGN(e->with_, runtime_context::open(o));
    }
    if (e->with_->routes == nullptr) e->with_->routes = std::make_unique<flow::source_routes>(e->devices().size());
    e->notes_ = e->with_->notes;
    choose_detection(o, e->setup_.shapes);
    const bool pictures = o.detect == detect_mode::independent ||
                          std::ranges::any_of(e->setup_.shapes, [](const frame_shape& f) { return f.picture; });
    share_work(o, e->devices().front()->computes_on_host(), e->devices().size(), e->setup_.sources, pictures);
    for (const auto& d : e->devices())
        d->book().draw_on(e->setup_.tracing);

    FACEFLOW_TRY(e->load_models());
    FACEFLOW_ASSIGN(e->flow_,
                    flow::make_flow({e->device_contexts_, *e->with_->routes, e->setup_.merge_sources, o, e->metrics_,
                                     [self = e.get()](flow::outcome&& out) { self->handle(std::move(out)); },
                                     [self = e.get()](const std::string& line) {
                                         if (self->setup_.note) self->setup_.note(line);
                                     }}));
    for (auto& note : e->models().notes())
        e->notes_.push_back(std::move(note));
    if (o.verify_ledger) {
        FACEFLOW_TRY(e->start_counters());
    }
    return e;
}

// Uses native kernels if they can run the models and no other engine was chosen; else ONNX Runtime.
result<void> face_engine::load_models() {
    options& o = setup_.chosen;
    const bool on_host = devices().front()->computes_on_host();
    const bool any = o.inference == inference_backend::automatic &&
                     (on_host ? o.precision != precision::bf16 : o.precision == precision::automatic);
    FACEFLOW_TRY(flow::choose_inference(o, on_host));
    FACEFLOW_ASSIGN(auto store, inference::model_store::open(o.models));
    // Native kernels take only the processors that other lanes leave idle; ONNX Runtime would take all of them.
    const bool yields = o.inference == inference_backend::native;
    const bool spread = o.threads > 1 && (o.pacing == pacing::live || yields || o.tuning.lanes == 1);
    const auto how = spread ? inference::threading::shared : inference::threading::caller;
    std::shared_ptr<inference::runtime> started;
    const auto runtime = [&]() -> result<std::shared_ptr<inference::runtime>> {
        if (started != nullptr) return started;
        auto made = inference::runtime::create({o.threads});
        if (made) started = *made;
        return made;
    };
    const auto load_for_all = [&]() -> result<void> {
        device_contexts_.clear();
        for (const auto& d : devices()) {
            FACEFLOW_ASSIGN(auto models,
                            flow::load_models({.chosen = o, .store = store, .on = *d, .runtime = runtime, .how = how}));
            device_contexts_.push_back({d.get(), std::move(models)});
        }
        return {};
    };
    auto loaded = load_for_all();
    const bool otherwise =
        any && o.inference == inference_backend::native && !loaded && loaded.error().code == errc::unsupported;
    if (!otherwise) return loaded;
    if (const auto found = inference::find_runtime(); !found) {
        return fail(loaded.error().code, fmt::format("{}; nor can ONNX Runtime run the model: {}",
                                                     loaded.error().message, found.error().message));
    }
    notes_.push_back("models run on ONNX Runtime: " + loaded.error().message);
    o.inference = on_host ? inference_backend::onnxruntime : inference_backend::cuda;
    o.precision = precision::fp32;
    return load_for_all();
}

result<void> face_engine::start_counters() {
    for (const auto& d : devices()) {
        FACEFLOW_ASSIGN(auto made, d->make_transfer_counter());
        if (made == nullptr) continue;
        counters_.push_back(std::move(made));
        booked_before_ += totals_of(d->book());
    }
    if (counters_.empty())
        notes_.emplace_back("--verify-ledger: on the CPU nothing crosses, so there is nothing to verify");
    return {};
}

std::optional<ledger_check> face_engine::check_ledger() const {
    if (counters_.empty()) return std::nullopt;
    ledger_check c;
    c.by = counters_.front()->by();
    c.device = flow_->transferred_elsewhere();
    for (const auto& w : counters_)
        c.device += w->seen();
    for (const auto& d : devices())
        c.ledger += totals_of(d->book());
    c.ledger = c.ledger.since(booked_before_);
    return c;
}

face_engine::~face_engine() = default;

result<std::size_t> face_engine::submit(host_frame f) {
    if (f.on_device != nullptr && flow::pools_of(setup_.chosen.flow) > 1) {
        return fail(errc::invalid_argument,
                    fmt::format("the flow {} takes frames from host memory only", name(setup_.chosen.flow)));
    }
    if (f.on_device == nullptr) {
        FACEFLOW_TRY(faceflow::internal::check(f.picture));
    }
    FACEFLOW_TRY(flow_->health());
    FACEFLOW_TRY(admit(f.id));
    if (setup_.chosen.detect == detect_mode::independent) f.still = true;
    return flow_->submit(std::move(f));
}

result<void> face_engine::admit(const frame_id& id) {
    const std::lock_guard lock(gates_mutex_);
    if (gates_[id.source].admit(id.sequence)) return {};
    return fail(errc::invalid_argument,
                fmt::format("frame {} of source {} came after a newer one: the sequences of a source only grow",
                            id.sequence, id.source));
}

std::uint64_t face_engine::missing() const {
    const std::lock_guard lock(gates_mutex_);
    std::uint64_t all = 0;
    for (const auto& [source, gate] : gates_)
        all += gate.missing();
    return all;
}

std::size_t face_engine::peak_device_bytes() const {
    std::size_t sum = flow_->peak_bytes_elsewhere();
    for (const auto& d : devices())
        sum += d->pool().peak_bytes();
    return sum;
}

// Counts a failure under its reason; notes the first of each kind.
void face_engine::count_failure(const error& e) {
    bool first = false;
    if (e.code == errc::out_of_memory) {
        // load shedding: even with cached frames evicted, there was no room
        first = metrics_.dropped.add("device_memory");
    } else if (e.code == errc::lost) {
        first = metrics_.dropped.add("stage_lost");  // its process died, or hung and was killed; a new one takes over
    } else {
        first = metrics_.errors.add(name(e.code));
    }
    // A lost device ends the flow, which reports it itself.
    if (first && e.code != errc::device_lost && setup_.note) setup_.note("a frame gave no result: " + e.message);
}

face_engine::per_source::per_source(const options& chosen)
    : measures({.openface = chosen.pose_convention == pose_convention::openface, .baseline_seconds = chosen.baseline}),
      smoother({.strength = chosen.smooth_strength, .focal = chosen.focal_length}) {}

face_engine::per_source& face_engine::source_state_of(std::uint32_t source) {
    return sources_.try_emplace(source, setup_.chosen).first->second;
}

void face_engine::handle(flow::outcome&& o) {
    if (o.faces) {
        const stage_timer timer(metrics_, stage::track, "handler", o.frame.id);
        per_source& s = source_state_of(o.frame.id.source);
        if (setup_.chosen.detect == detect_mode::independent) s.forget();
        s.tracks.update(o.frame.pts_ns, o.faces->faces);
        s.measures.update(*o.faces);
        if (setup_.chosen.smooth) s.smoother.update(*o.faces);
        if (setup_.chosen.pose_convention == pose_convention::openface) {
            for (face& f : o.faces->faces)
                vision::enter_openface(f);
        }
        metrics_.frames.fetch_add(1, std::memory_order_relaxed);
        metrics_.faces.fetch_add(o.faces->faces.size(), std::memory_order_relaxed);
        metrics_.latency.record(std::chrono::steady_clock::now() - o.frame.captured);
    } else {
        count_failure(o.faces.error());
    }
    const stage_timer timer(metrics_, stage::sink, "handler", o.frame.id);
    setup_.on_result(o.frame, std::move(o.faces));
}

}  // namespace faceflow::internal
