#include "flow/fused_flow.hpp"

#include <thread>
#include <vector>

#include "flow/collector.hpp"
#include "flow/device_line.hpp"
#include "flow/result_reader.hpp"

namespace faceflow::flow {
namespace {

// A thread with a stream and a workspace: takes frames through all stages, one after the other.
class lane {
public:
    static result<std::unique_ptr<lane>> create(device_line& line, const std::string& label) {
        auto l = std::unique_ptr<lane>(new lane(line));
        const stages& work = line.work;
        auto made = work.owner().make_stream(label);
        if (!made) return tl::unexpected(std::move(made.error()));
        l->stream_ = std::move(*made);
        auto space = work.make_workspace();
        if (!space) return tl::unexpected(std::move(space.error()));
        l->space_ = std::make_unique<workspace>(std::move(*space));
        auto reader = result_reader::create(work.owner(), room_for(work.chosen().max_faces), work.chosen().pinned);
        if (!reader) return tl::unexpected(std::move(reader.error()));
        l->reader_ = std::make_unique<result_reader>(std::move(*reader));
        return l;
    }

    result<frame_faces> pass(const host_frame& from, bool detect) {
        auto results = results_of(from.id.source);
        if (!results) return tl::unexpected(std::move(results.error()));
        const work_note uploading({stage::capture, from.id});
        auto uploaded = line_.frames.upload(*stream_, from, stage::capture);
        if (!uploaded) return tl::unexpected(std::move(uploaded.error()));

        const work_note detecting({stage::detect, from.id});
        if (detect) {
            line_.work.detect(*stream_, *space_, *uploaded);
        } else {
            line_.work.carry(*stream_, *space_, from.id, *results);
        }
        // The region stage asks for the frame by its id, as it would in a process of its own.
        auto found = line_.frames.find(*stream_, from, stage::region);
        if (!found) return tl::unexpected(std::move(found.error()));
        return mesh_all(from, *found, *results);
    }

private:
    explicit lane(device_line& line) : line_(line) {}

    result<vision::result_block*> results_of(std::uint32_t source) {
        auto at = results_.find(source);
        if (at == results_.end()) {
            auto buffer = line_.work.make_results();
            if (!buffer) return tl::unexpected(std::move(buffer.error()));
            at = results_.emplace(source, std::move(*buffer)).first;
        }
        return at->second.as<vision::result_block>();
    }

    result<frame_faces> mesh_all(const host_frame& from, const frame& f, vision::result_block* results) {
        const tag waiting{stage::landmark, from.id};
        mesh(f, 0, room_, results);
        auto read = reader_->read(*stream_, results, room_, waiting);
        if (read && (*read)->filled < (*read)->count) {
            // More faces than the last frames had: the rest in a second go, and room for them from now on.
            const std::int32_t already = room_;
            room_ = room_for((*read)->count);
            mesh(f, already, room_, results);
            read = reader_->read(*stream_, results, room_, waiting);
        }
        if (!read) return tl::unexpected(std::move(read.error()));
        return faces_of(**read, from, line_.work.chosen().min_presence);
    }

    void mesh(const frame& f, std::int32_t from, std::int32_t to, vision::result_block* results) {
        for (std::int32_t first = from; first < to; first += mesh_batch) {
            const work_note cropping({stage::region, f.id});
            line_.work.region(*stream_, *space_, f, first);
            const work_note meshing({stage::landmark, f.id});
            line_.work.landmark(*stream_, *space_, f, first, results);
        }
    }

    device_line& line_;
    std::unique_ptr<workspace> space_;
    std::map<std::uint32_t, device_buffer> results_;
    std::unique_ptr<result_reader> reader_;
    std::int32_t room_ = mesh_batch;  // faces to make room for
    std::unique_ptr<stream> stream_;  // last: its work uses all of the above
};

class fused_flow final : public flow {
public:
    static result<std::unique_ptr<flow>> create(const flow_parts& parts, std::size_t lanes_per_device) {
        auto f = std::unique_ptr<fused_flow>(new fused_flow(parts, lanes_per_device));
        for (std::size_t d = 0; d < f->lines_.size(); ++d) {
            for (std::size_t i = 0; i < lanes_per_device; ++i) {
                auto l = lane::create(*f->lines_[d], "lane " + std::to_string(d * lanes_per_device + i));
                if (!l) return tl::unexpected(std::move(l.error()));
                f->lanes_.push_back(std::move(*l));
            }
        }
        for (std::size_t i = 0; i < f->lanes_.size(); ++i) {
            // A source's last result lies in one lane: live, where frames come one by one, the source stays with it.
            const bool live = parts.chosen.pacing == pacing::live;
            const std::size_t part = live ? i : i / lanes_per_device,
                              parts_in_all = live ? f->lanes_.size() : f->lines_.size();
            f->threads_.emplace_back([self = f.get(), i, part, parts_in_all] { self->work(i, part, parts_in_all); });
        }
        return f;
    }

    ~fused_flow() override {
        intake_.close();
        for (auto& t : threads_)
            t.join();
        for (auto& line : lines_)
            line->frames.close();
    }

    std::size_t submit(host_frame f) override {
        const std::size_t overtaken = intake_.put(std::move(f)).value_or(0);
        metrics_.dropped.add("overtaken", overtaken);
        return overtaken;
    }
    void begin_source(std::uint32_t source) override { intake_.begin_source(source); }
    void end_source(std::uint32_t source) override { intake_.end_source(source); }
    void drain() override { intake_.wait_idle(); }
    frame_cache_counts cache() const override {
        frame_cache_counts sum;
        for (const auto& line : lines_)
            sum = sum + line->frames.counts();
        return sum;
    }

private:
    fused_flow(const flow_parts& parts, std::size_t lanes_per_device)
        : metrics_(parts.counters),
          detect_every_(static_cast<std::size_t>(parts.chosen.detect_every)),
          intake_(intake_for(parts, 2 * lanes_per_device * parts.devices.size())),
          collector_(parts.handler, [this] { intake_.done(); }) {
        for (const auto& d : parts.devices)
            lines_.push_back(std::make_unique<device_line>(d, parts, 4 * lanes_per_device));
    }

    void work(std::size_t index, std::size_t part, std::size_t parts) {
        while (auto unit = intake_.take(part, parts)) {
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

    metrics& metrics_;
    const std::size_t detect_every_;
    intake intake_;
    collector collector_;
    std::vector<std::unique_ptr<device_line>> lines_;
    std::vector<std::unique_ptr<lane>> lanes_;
    std::vector<std::thread> threads_;
};

}  // namespace

result<std::unique_ptr<flow>> make_fused_flow(const flow_parts& parts) {
    // Live: one frame in work, spread over all cores by the models' shared pool. Recorded: a frame per core.
    const auto cores = static_cast<std::size_t>(std::max(parts.chosen.threads, 1));
    const std::size_t lanes = std::max<std::size_t>(1, cores / parts.devices.size());
    return fused_flow::create(parts, parts.chosen.pacing == pacing::live ? 1 : lanes);
}

}  // namespace faceflow::flow
