// SPDX-License-Identifier: Apache-2.0
// shared: a process each for detect, region and landmark, and the frame's bytes never move after the upload. This process owns
// the memory and brings frames up and results down; the stages map it once and put their work on their own streams, one
// behind the other by timelines. No host waits for a device until the results come down.
#include <fmt/format.h>

#include <algorithm>

#include "core/read_once.hpp"
#include "flow/process/process_line.hpp"
#include "flow/process/shared_work.hpp"
#include "flow/result_reader.hpp"

namespace faceflow::flow {
namespace {

constexpr std::size_t detect_at = 0, region_at = 1, landmark_at = 2;

class shared_line final : public process_line {
public:
    shared_line(const device_context& d, const flow_parts& parts, std::size_t number, input_queue& from,
                reorder_buffer& to, thread_failed failed)
        : process_line(d, parts, number, from, to, std::move(failed)),
          layout_(place_layout::of(shape())),
          slabs_(*d.on),
          frames_(*d.on, frame_options(parts.chosen)) {}

    ~shared_line() override {
        free_places_.close();
        stop();
        for (auto& s : stages_)
            s.reset();
        for (auto& p : pages_)
            on().unregister_words(p.pages());
        frames_.close();
    }

    result<void> open() {
        if (auto r = open_memory(); !r) return r;
        if (auto r = open_pages(); !r) return r;
        std::vector<int> pages;
        for (const auto& p : pages_)
            pages.push_back(p.descriptor());
        for (const auto& [role, page] : {std::pair{stage_role::detect, shared_page::detect},
                                         {stage_role::region, shared_page::region},
                                         {stage_role::landmark, shared_page::landmark}}) {
            auto started = start_stage(role, shared_places, page_of(page), pages, &slabs_);
            if (!started) return tl::unexpected(std::move(started.error()));
            stages_.push_back(std::move(*started));
        }
        judge_by([this](std::size_t process, std::uint32_t place, std::uint64_t serial) {
            return has_inputs(process, place, serial);
        });
        return run([this](process_job& j) { return begin(j); },
                   {[this](process_job& j) { detect(j); }, [this](process_job& j) { region(j); },
                    [this](process_job& j) { landmark(j); }, [this](process_job& j) { finish(j); }});
    }

private:
    static frame_store_options frame_options(const options& o) {
        frame_store_options s = device_line::store_options(o, 3 * shared_places);
        s.cache = false;  // a frame's slot goes from stage to stage by its name
        s.always_in_slots = true;
        return s;
    }

    result<void> open_memory() {
        auto made = slab::create(on(), layout_.bytes, shared_places);
        if (!made) return tl::unexpected(std::move(made.error()));
        for (std::uint32_t i = 0; i < shared_places; ++i) {
            auto taken = lease::acquire(*made);
            if (!taken) return tl::unexpected(std::move(taken.error()));
            if (auto named = slabs_.name_of(*taken); !named) return tl::unexpected(std::move(named.error()));
            places_.push_back(std::move(*taken));
            free_places_.push(i);
        }
        auto failed = on().make_event();
        if (!failed) return tl::unexpected(std::move(failed.error()));
        failed_ = std::move(*failed);
        auto up = on().make_stream("capture");
        if (!up) return tl::unexpected(std::move(up.error()));
        up_ = std::move(*up);
        auto down = on().make_stream("results");
        if (!down) return tl::unexpected(std::move(down.error()));
        down_ = std::move(*down);
        auto reader = result_reader::create(on(), shape().results_bytes(), chosen().tuning.pinned);
        if (!reader) return tl::unexpected(std::move(reader.error()));
        reader_ = std::make_unique<result_reader>(std::move(*reader));
        return {};
    }

    result<void> open_pages() {
        for (std::size_t i = 0; i < shared_page_count; ++i) {
            auto page = ipc::control_page::create(page_words::count(shared_places));
            if (!page) return tl::unexpected(std::move(page.error()));
            if (auto r = on().register_words(page->pages()); !r) return r;
            pages_.push_back(std::move(*page));
        }
        return {};
    }

    ipc::control_page& page_of(shared_page p) { return pages_[static_cast<std::size_t>(p)]; }
    timeline& passed(shared_page p, std::uint32_t place) { return page_of(p)[page_words::passed(place)]; }

    // For the watchdog: a stage whose inputs are not there yet does not hang, it waits.
    bool has_inputs(std::size_t process, std::uint32_t place, std::uint64_t serial) {
        if (process == detect_at) return reached(passed(shared_page::capture, place), serial);
        if (process == landmark_at) return reached(passed(shared_page::region, place), serial);
        // A frame that is not detected in waits for the landmarks of the one before: then this is too early a yes, and
        // what it costs is one restart beside that of a landmark stage that hangs.
        return reached(passed(shared_page::capture, place), serial) &&
               (!stages_[detect_at]->given(place, serial) || reached(passed(shared_page::detect, place), serial));
    }
    static bool reached(const timeline& t, std::uint64_t value) {
        return t.value.load(std::memory_order_acquire) >= value;
    }

    result<void> begin(process_job& j) {
        const work_note note({stage::capture, j.from.id});
        if (auto taken = take_place(j); !taken) return taken;
        auto uploaded = frames_.upload(*up_, j.from, stage::capture, when_full::wait);
        if (!uploaded) return tl::unexpected(std::move(uploaded.error()));
        j.on_device = std::move(*uploaded);
        up_->signal(passed(shared_page::capture, j.place), j.serial);
        auto frame_at = slabs_.name_of(j.on_device.stored->slot);
        if (!frame_at) return tl::unexpected(std::move(frame_at.error()));
        j.base.frame = *frame_at;
        if (chosen().detect_every > 1) return name_followed(j);
        return {};
    }

    result<void> take_place(process_job& j) {
        auto free = free_places_.pop();
        if (!free) return fail(errc::interrupted, "the flow was stopped");
        j.place = j.base.place = *free;
        j.placed = true;
        auto memory_at = slabs_.name_of(places_[j.place]);
        if (!memory_at) return tl::unexpected(std::move(memory_at.error()));
        j.base.memory = *memory_at;
        return {};
    }

    result<void> name_followed(process_job& j) {
        if (j.source->slot == nullptr) {
            auto made = slab::create(on(), std::max<std::size_t>(shape().set_bytes(), 64 << 10), 1);
            if (!made) return tl::unexpected(std::move(made.error()));
            auto taken = lease::acquire(*made);
            if (!taken) return tl::unexpected(std::move(taken.error()));
            j.source->slot = std::move(*taken).shared();
        }
        auto at = slabs_.name_of(*j.source->slot);
        if (!at) {
            j.source->slot = nullptr;  // it would stay as it is; the next frame's may be one that can be shared
            return tl::unexpected(std::move(at.error()));
        }
        j.base.followed = *at;
        j.base.keeps_followed = 1;
        return {};
    }

    void detect(process_job& j) {
        await_turn(j);
        if (!j.failed) return;
        if (j.detect) {
            ask(*stages_[detect_at], j, j.base, {}, {}, nullptr);
            return;
        }
        j.base.from_followed = 1;
        j.base.wait_place = j.source->place;
        j.base.wait_serial = j.source->serial;
    }

    void region(process_job& j) { ask(*stages_[region_at], j, j.base, {}, {}, nullptr); }

    void landmark(process_job& j) {
        j.base.room = room_;
        ask(*stages_[landmark_at], j, j.base, {}, {}, nullptr);
    }

    void finish(process_job& j) {
        const work_note note({stage::landmark, j.from.id});
        // Also of a frame that failed: its memory is used again only when nobody works on it any more.
        if (j.placed) wait_for_stages(j, j.serial);
        if (j.on_device.stored != nullptr) use(*down_, j.on_device);
        if (j.failed) {
            read_results(j);
        } else if (j.placed) {
            (void)synchronise(*down_, *failed_, {stage::landmark, j.from.id});
        }
        j.source->place = j.place;
        j.source->serial = j.serial;
        j.on_device = {};
        if (j.placed) free_places_.push(j.place);
    }

    void wait_for_stages(const process_job& j, std::uint64_t serial) {
        const std::array<shared_page, 3> pages{shared_page::detect, shared_page::region, shared_page::landmark};
        for (std::size_t i = 0; i < stages_.size(); ++i) {
            if (stages_[i]->given(j.place, serial)) down_->wait(passed(pages[i], j.place), serial);
        }
    }

    void read_results(process_job& j) {
        const tag waiting{stage::landmark, j.from.id};
        const vision::pass_results results{
            reinterpret_cast<vision::result_header*>(places_[j.place].address() + layout_.results), 1};
        auto read = reader_->read(*down_, results, j.base.room, waiting);
        const auto header = read ? read_once(read->headers) : vision::result_header{};
        std::int32_t here = j.base.room;
        if (read && came_through(j, j.serial) && header.filled < header.count) {
            // More faces than the last frames had: the rest in a second go, and room for them from now on.
            stage_call more = j.base;
            more.serial = second_go(j.serial);
            more.first = j.base.room;
            more.room = room_ = room_for(std::min(header.count, chosen().max_faces));
            if (!ask(*stages_[landmark_at], j, more, {}, {}, nullptr)) return;
            wait_for_stages(j, more.serial);
            read = reader_->read(*down_, results, more.room, waiting);
            here = more.room;
            j.serial = more.serial;
        }
        if (!read) {
            j.failed = tl::unexpected(std::move(read.error()));
        } else if (!came_through(j, j.serial)) {
            j.failed = fail(errc::lost, "a stage process did not finish its work on the frame");
        } else {
            j.faces = faces_of(*read, 0, std::min(here, shape().records()), j.from, chosen().min_presence);
            if (!j.faces) j.failed = tl::unexpected(j.faces.error());
        }
    }

    bool came_through(const process_job& j, std::uint64_t serial) const {
        return std::all_of(stages_.begin(), stages_.end(),
                           [&](const auto& s) { return !s->given(j.place, serial) || s->done(j.place, serial); });
    }

    const place_layout layout_;
    exported_slabs slabs_;
    frame_store frames_;
    std::vector<lease> places_;
    bounded_queue<std::uint32_t> free_places_{shared_places, queue_policy::block};
    std::unique_ptr<event> failed_;
    std::vector<ipc::control_page> pages_;
    std::unique_ptr<stream> up_, down_;
    std::unique_ptr<result_reader> reader_;
    std::atomic<std::int32_t> room_{mesh_batch};  // written by the last step, read by the one before
    std::vector<std::shared_ptr<stage_process>> stages_;
};

}  // namespace

result<std::unique_ptr<process_line>> make_shared_line(const device_context& d, const flow_parts& parts,
                                                       std::size_t number, input_queue& from, reorder_buffer& to,
                                                       thread_failed failed) {
    auto line = std::make_unique<shared_line>(d, parts, number, from, to, std::move(failed));
    if (auto r = line->open(); !r) return tl::unexpected(std::move(r.error()));
    return line;
}

}  // namespace faceflow::flow
