#include "flow/fused_flow.hpp"

#include <algorithm>
#include <thread>
#include <vector>

#include "flow/collector.hpp"
#include "flow/intake.hpp"
#include "flow/stages.hpp"

namespace faceflow::flow {
namespace {

// A thread with a stream and a workspace: takes frames through all stages, one after the other.
class lane {
public:
    static result<std::unique_ptr<lane>> create(const stages& s, const std::string& label) {
        auto l = std::unique_ptr<lane>(new lane(s));
        auto made = s.owner().make_stream(label);
        if (!made) return tl::unexpected(std::move(made.error()));
        l->stream_ = std::move(*made);
        auto done = s.owner().make_event();
        if (!done) return tl::unexpected(std::move(done.error()));
        l->done_ = std::move(*done);
        auto space = workspace::create(s.owner(), s.models(), s.chosen().max_faces);
        if (!space) return tl::unexpected(std::move(space.error()));
        l->space_ = std::move(*space);
        return l;
    }

    result<frame_faces> pass(const host_frame& from, bool detect) {
        auto results = space_.results_of(from.id.source);
        if (!results) return tl::unexpected(std::move(results.error()));
        auto uploaded = upload(*stream_, from);
        if (!uploaded) return tl::unexpected(std::move(uploaded.error()));
        const frame& f = *uploaded;

        if (detect) {
            stages_.detect(*stream_, space_, f);
        } else {
            stages_.carry(*stream_, space_, *results);
        }
        mesh(f, 0, expected_, *results);
        const tag waiting{stage::landmark, from.id};
        if (auto r = synchronise(*stream_, *done_, waiting); !r) return tl::unexpected(std::move(r.error()));
        if ((*results)->filled < (*results)->count) {
            // More faces than the last frames had: the rest in a second go, and room for them from now on.
            const std::int32_t already = expected_;
            expected_ = ((*results)->count + mesh_batch - 1) / mesh_batch * mesh_batch;
            mesh(f, already, expected_, *results);
            if (auto r = synchronise(*stream_, *done_, waiting); !r) return tl::unexpected(std::move(r.error()));
        }
        return faces_of(**results, from, stages_.chosen().min_presence);
    }

private:
    explicit lane(const stages& s) : stages_(s) {}

    void mesh(const frame& f, std::int32_t from, std::int32_t to, vision::result_block* results) {
        for (std::int32_t first = from; first < to; first += mesh_batch) {
            stages_.region(*stream_, space_, f, first);
            stages_.landmark(*stream_, space_, f, first, results);
        }
    }

    const stages& stages_;
    std::unique_ptr<stream> stream_;
    std::unique_ptr<event> done_;
    workspace space_;
    std::int32_t expected_ = mesh_batch;  // faces to make room for, a multiple of mesh_batch
};

intake_options intake_for(const flow_parts& parts, std::size_t lanes) {
    const options& o = parts.chosen;
    intake_options i;
    i.merged = parts.merged && o.pacing == pacing::recorded;
    i.pacing = o.pacing;
    i.detect_every = static_cast<std::size_t>(o.detect_every);
    i.unit_frames = o.pacing == pacing::recorded ? i.detect_every : 1;
    i.units_in_flight = 2 * lanes;
    return i;
}

class fused_flow final : public flow {
public:
    static result<std::unique_ptr<flow>> create(flow_parts parts, std::size_t lanes) {
        auto f = std::unique_ptr<fused_flow>(new fused_flow(parts, lanes));
        for (std::size_t i = 0; i < lanes; ++i) {
            auto l = lane::create(f->stages_, "lane " + std::to_string(i));
            if (!l) return tl::unexpected(std::move(l.error()));
            f->lanes_.push_back(std::move(*l));
        }
        for (std::size_t i = 0; i < lanes; ++i) {
            f->threads_.emplace_back([self = f.get(), i, lanes] { self->work(i, lanes); });
        }
        return f;
    }

    ~fused_flow() override {
        intake_.close();
        for (auto& t : threads_)
            t.join();
    }

    std::size_t submit(host_frame f) override {
        const std::size_t overtaken = intake_.put(std::move(f)).value_or(0);
        metrics_.dropped.add("overtaken", overtaken);
        return overtaken;
    }
    void begin_source(std::uint32_t source) override { intake_.begin_source(source); }
    void end_source(std::uint32_t source) override { intake_.end_source(source); }
    void drain() override { intake_.wait_idle(); }

private:
    fused_flow(const flow_parts& parts, std::size_t lanes)
        : stages_(*parts.devices.front(), parts.models, parts.chosen, parts.counters),
          metrics_(parts.counters),
          detect_every_(static_cast<std::size_t>(parts.chosen.detect_every)),
          intake_(intake_for(parts, lanes)),
          collector_(parts.handler, [this] { intake_.done(); }) {}

    void work(std::size_t index, std::size_t lanes) {
        while (auto unit = intake_.take(index, lanes)) {
            std::vector<outcome> outcomes;
            outcomes.reserve(unit->frames.size());
            for (std::size_t i = 0; i < unit->frames.size(); ++i) {
                const bool detect = i == 0 ? unit->detect_first : i % detect_every_ == 0;
                auto faces = lanes_[index]->pass(unit->frames[i], detect);
                outcomes.push_back({std::move(unit->frames[i]), std::move(faces)});
            }
            collector_.put(unit->line, unit->ticket, std::move(outcomes));
        }
    }

    stages stages_;
    metrics& metrics_;
    const std::size_t detect_every_;
    intake intake_;
    collector collector_;
    std::vector<std::unique_ptr<lane>> lanes_;
    std::vector<std::thread> threads_;
};

}  // namespace

result<std::unique_ptr<flow>> make_fused_flow(flow_parts parts) {
    // Live: one frame in work, spread over all cores by the models' shared pool. Recorded: a frame per core.
    const std::size_t cores = parts.chosen.threads > 0 ? static_cast<std::size_t>(parts.chosen.threads)
                                                       : std::max(1u, std::thread::hardware_concurrency());
    return fused_flow::create(std::move(parts), parts.chosen.pacing == pacing::live ? 1 : cores);
}

result<std::unique_ptr<flow>> make_flow(flow_parts parts) {
    if (parts.chosen.flow == "fused") return make_fused_flow(std::move(parts));
    return fail(errc::invalid_argument, "unknown flow '" + parts.chosen.flow + "'; there is: fused");
}

}  // namespace faceflow::flow
