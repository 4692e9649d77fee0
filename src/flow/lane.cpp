#include "flow/lane.hpp"

#include <algorithm>

namespace faceflow::flow {

result<std::unique_ptr<lane>> lane::create(device_line& line, const std::string& label, const pass_shape& shape) {
    const stages& work = line.work;
    auto on = work.owner().make_stream(label);
    if (!on) return tl::unexpected(std::move(on.error()));
    auto models = work.models().on_streams(**on, **on, {shape.frames, shape.mesh_faces});
    if (!models) return tl::unexpected(std::move(models.error()));
    auto space = workspace::create(work.owner(), *models, shape);
    if (!space) return tl::unexpected(std::move(space.error()));
    auto reader = result_reader::create(work.owner(), shape.results_bytes(), work.chosen().pinned);
    if (!reader) return tl::unexpected(std::move(reader.error()));
    auto l = std::unique_ptr<lane>(new lane(line, std::move(*on), std::move(*space)));
    l->notes_ = models->notes();
    l->engine_folders_ = models->engine_folders;
    l->reader_ = std::make_unique<result_reader>(std::move(*reader));
    const bool every = sets_up_every_batch(work.chosen());
    l->space_.detector().model().warm_up(*l->stream_, shape.frames, every, work.chosen().graphs);
    warm_up(*l->stream_, l->space_.mesh(), line.room.faces(), every, work.chosen());
    models->mesh->trim();  // and the detector's, which shares its memory
    *models = {};          // the lane's bindings have them now, and let go of them before its stream goes
    for (const batched_model* model : {&l->space_.detector().model(), &l->space_.mesh().model()}) {
        if (!model->graph_refusal().empty()) l->notes_.push_back(without_graph(*model));
    }
    if (auto warm = l->stream_->take_error(); !warm) return tl::unexpected(std::move(warm.error()));
    return l;
}

lane::~lane() {
    settle(*stream_);
}

void lane::pass(std::span<item> items) {
    while (!items.empty())
        items = items.subspan(pass_together(items));
}

// The first of `items`, as many as the pool has room for now: the others wait for these to be done, holding nothing. Returns how
// many have their faces, or an error.
std::size_t lane::pass_together(std::span<item> items) {
    std::vector<part> parts;
    std::size_t taken = 0;
    for (item& i : items) {
        auto begun = begin(i, parts.empty() ? when_full::wait : when_full::fail);
        if (!begun && begun.error().code == errc::out_of_memory && !parts.empty()) break;
        ++taken;
        if (begun) {
            parts.push_back(std::move(*begun));
            continue;
        }
        if (auto followed = followed_.find(i.follows); followed != followed_.end()) followed->second.known = false;
        i.faces = tl::unexpected(std::move(begun.error()));
    }
    if (!parts.empty()) run(parts);
    return taken;
}

void lane::run(std::vector<part>& parts) {
    detect(parts);
    auto done = find_again(parts).and_then([&] { return mesh_all(); });
    for (std::size_t f = 0; f < parts.size(); ++f) {
        part& p = parts[f];
        p.followed->known = done.has_value();
        if (!done) {
            p.of->faces = tl::unexpected(done.error());
            continue;
        }
        const auto at = static_cast<std::int32_t>(f);
        p.of->faces = faces_of(*done, at, space_.shape().records(), *p.of->from, line_.work.chosen().min_presence);
        if (line_.work.chosen().detect_every > 1)
            line_.work.carry(*stream_, space_.results(faces_.frames), at, p.followed->set());
    }
    frames_.clear();  // their leases go
}

result<lane::part> lane::begin(item& i, when_full how) {
    auto followed = followed_by(i.follows);
    if (!followed) return tl::unexpected(std::move(followed.error()));
    const work_note uploading({stage::capture, i.from->id});
    auto uploaded = line_.frames.upload(*stream_, *i.from, stage::capture, how);
    if (!uploaded) return tl::unexpected(std::move(uploaded.error()));
    return part{&i, std::move(*uploaded), *followed, i.detect || !(*followed)->known};
}

// Those of the pass that the detector looks at as one batch; the others' faces are where the last pass left them.
void lane::detect(const std::vector<part>& parts) {
    std::vector<frame> looked_at;
    vision::face_table found;
    faces_ = {};
    for (const part& p : parts) {
        vision::detection_set* faces = p.followed->set();
        if (p.detect) {
            faces = space_.faces(found.frames);
            found.of[found.frames++] = faces;
            looked_at.push_back(p.on_device);
        }
        faces_.of[faces_.frames++] = faces;
    }
    const work_note note({stage::detect, parts.front().on_device.id});
    line_.work.detect(*stream_, space_.detector(), looked_at, found);
}

// The region stage asks for each frame by its id, as it would in a process of its own.
result<void> lane::find_again(const std::vector<part>& parts) {
    frames_.clear();
    for (const part& p : parts) {
        auto found = line_.frames.find(*stream_, *p.of->from, stage::region, when_full::wait);
        if (!found) return tl::unexpected(std::move(found.error()));
        frames_.push_back(std::move(*found));
    }
    return {};
}

result<vision::pass_results> lane::mesh_all() {
    const tag waiting{stage::landmark, frames_.front().id};
    const vision::pass_results results = space_.results(faces_.frames);
    const std::int32_t room = line_.room.faces();
    mesh(0, room);
    auto read = reader_->read(*stream_, results, room, waiting);
    if (!read) return read;
    const vision::result_header& last = read->headers[faces_.frames - 1];
    const std::int32_t count = last.first + last.count;
    const std::int32_t needed = line_.room.saw(count);
    if (count > room) {  // the rest in a second go
        mesh(room, needed);
        read = reader_->read(*stream_, results, needed, waiting);
    }
    return read;
}

void lane::mesh(std::int32_t from, std::int32_t to) {
    const frame_id id = frames_.front().id;
    mesh_memory& memory = space_.mesh();
    const vision::pass_results results = space_.results(faces_.frames);
    for (std::int32_t first = from; first < to;) {
        const std::int32_t count = std::min(to - first, memory.capacity());
        const work_note cropping({stage::region, id});
        line_.work.region(*stream_, frames_, faces_, first, memory.crops(), count);
        const work_note meshing({stage::landmark, id});
        line_.work.landmark(*stream_, memory, frames_, faces_, first, count, results);
        first += count;
    }
}

result<followed_faces*> lane::followed_by(std::uint32_t number) {
    auto at = followed_.find(number);
    if (at == followed_.end()) {
        auto made = followed_faces::create(line_.work.owner(), space_.shape());
        if (!made) return tl::unexpected(std::move(made.error()));
        at = followed_.emplace(number, std::move(*made)).first;
    }
    return &at->second;
}

}  // namespace faceflow::flow
