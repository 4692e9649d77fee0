// SPDX-License-Identifier: Apache-2.0
#include "flow/lane.hpp"

#include <algorithm>

namespace faceflow::flow {

result<std::unique_ptr<lane>> lane::create(device_line& line, const std::string& label, const pass_shape& shape) {
    const stages& work = line.work;
    auto on = work.owner().make_stream(label);
    if (!on) return tl::unexpected(std::move(on.error()));
    auto space = workspace::create(**on, work.models(), shape);
    if (!space) return tl::unexpected(std::move(space.error()));
    auto reader = result_reader::create(work.owner(), shape.results_bytes(), work.chosen().tuning.pinned);
    if (!reader) return tl::unexpected(std::move(reader.error()));
    auto l = std::unique_ptr<lane>(new lane(line, std::move(*on), std::move(*space)));
    l->reader_ = std::make_unique<result_reader>(std::move(*reader));
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
    auto done = hold_frames(parts).and_then([&] { return work_through(parts); });
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

// The region stage asks for each frame by its id, as it would in a process of its own.
result<void> lane::hold_frames(std::vector<part>& parts) {
    frames_.clear();
    for (const part& p : parts) {
        auto found = line_.frames.find(*stream_, *p.of->from, stage::region, when_full::wait, &p.on_device);
        if (!found) return tl::unexpected(std::move(found.error()));
        frames_.push_back(std::move(*found));
    }
    return {};
}

result<vision::pass_results> lane::work_through(const std::vector<part>& parts) {
    const tag waiting{stage::landmark, frames_.front().id};
    const auto frames = static_cast<std::int32_t>(parts.size());
    const vision::pass_results results = space_.results(frames);
    const std::int32_t room = line_.room.faces(frames);
    const device& on = line_.work.owner();
    const bool read_within = line_.work.chosen().tuning.pinned || on.shares_host_memory();
    const auto detected = std::count_if(parts.begin(), parts.end(), [](const part& p) { return p.detect; });
    const auto add_all = [&]() -> result<void> {
        detect(parts);
        mesh(0, room);
        return read_within ? reader_->add(*stream_, results, room, waiting) : result<void>{};
    };
    auto added = add_pass({static_cast<std::int32_t>(detected), room}, add_all);
    if (added && !read_within) added = reader_->add(*stream_, results, room, waiting);
    if (!added) return tl::unexpected(std::move(added.error()));
    auto read = reader_->wait(*stream_, results, waiting);
    if (!read) return read;
    const vision::result_header& last = read->headers[frames - 1];
    const std::int32_t count = last.first + last.count;
    const std::int32_t needed = line_.room.saw(count, frames);
    if (count > room) {  // the rest in a second go
        mesh(room, needed);
        read = reader_->read(*stream_, results, needed, waiting);
    }
    return read;
}

namespace {

// Captures that other threads' calls ended; so many in a row are no accident.
constexpr int most_broken_captures = 32;

// What says nothing of graphs: the stream has failed before, another thread's call ended the capture, there is no room now, the
// device is gone.
bool passes_by(errc code) {
    return code == errc::interrupted || code == errc::out_of_memory || code == errc::device_lost;
}

}  // namespace

// As one launch where the device has graphs. The first pass of a size is captured before it is launched.
result<void> lane::add_pass(const std::pair<std::int32_t, std::int32_t>& size, const stream::task& work) {
    if (!line_.work.chosen().tuning.graphs) return work();
    const auto [at, fresh] = graphs_.try_emplace(size);
    if (fresh) {
        auto captured = stream_->capture(work);
        if (captured) {
            at->second = std::move(*captured);
            broken_captures_ = 0;
        } else if (passes_by(captured.error().code) && ++broken_captures_ < most_broken_captures) {
            graphs_.erase(at);
            return work();
        } else if (!line_.work.owner().computes_on_host()) {
            line_.tell_once("passes run kernel by kernel, and slower, without a CUDA graph: " +
                            captured.error().message);
        }
    }
    if (at->second == nullptr) return work();
    stream_->launch(*at->second, work);
    return {};
}

// Those of the pass that the detector looks at as one batch; the others' faces are where the last pass left them.
void lane::detect(const std::vector<part>& parts) {
    std::vector<frame> looked_at;
    looked_at.reserve(parts.size());
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
