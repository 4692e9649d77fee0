// SPDX-License-Identifier: Apache-2.0
#include "serve/service.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "core/processors.hpp"
#include "core/try.hpp"
#include "core/unique_fd.hpp"
#include "engine/outputs.hpp"
#include "media/picture.hpp"
#include "media/result_writer.hpp"

namespace faceflow::internal::serve {
namespace {

// Of posted pictures in the engine; those of sources are below.
constexpr std::uint32_t picture_number = service::max_sources;

result<void> check_name(std::string_view name) {
    constexpr std::size_t longest = 64;
    const bool known = std::ranges::all_of(name, [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
    });
    if (!name.empty() && name.size() <= longest && known && !name.starts_with('.')) return {};
    return fail(errc::invalid_argument,
                fmt::format("'{}' cannot name a source: take 1 to {} letters, digits, '-', '_' and '.', which "
                            "is not the first",
                            name.substr(0, longest), longest));
}

tl::unexpected<error> unknown(std::string_view name) {
    return fail(errc::not_found, fmt::format("there is no source '{}'", name.substr(0, 64)));
}

// A picture's content as a file that has no name.
result<unique_fd> as_file(std::string_view content) {
    unique_fd file(::memfd_create("faceflow-picture", MFD_CLOEXEC));
    if (file.get() < 0) return fail(errc::io, "no memory for a picture");
    while (!content.empty()) {
        const auto written = ::write(file.get(), content.data(), content.size());
        if (written <= 0) return fail(errc::io, "no memory for a picture");
        content.remove_prefix(static_cast<std::size_t>(written));
    }
    return file;
}

}  // namespace

service::service(service_setup setup)
    : setup_(std::move(setup)),
      chosen_(setup_.chosen),
      drawing_(setup_.chosen.threads > 0 ? setup_.chosen.threads : usable_processors()) {}

result<std::unique_ptr<service>> service::create(service_setup setup) {
    std::unique_ptr<service> s(new service(std::move(setup)));
    FACEFLOW_ASSIGN(s->engine_, s->make_engine(s->setup_.chosen));
    return s;
}

result<std::shared_ptr<face_engine>> service::make_engine(options chosen) {
    chosen.pacing = pacing::live;
    FACEFLOW_ASSIGN(auto made,
                    face_engine::create(
                        {.chosen = std::move(chosen),
                         .on_result = [this](const host_frame& f, result<frame_faces> r) { handle(f, std::move(r)); },
                         .note = setup_.note}));
    made->begin_source(picture_number);
    for (const std::string& line : made->notes())
        setup_.note(line);
    return std::shared_ptr<face_engine>(std::move(made));
}

service::~service() {
    if (engine_ == nullptr) return;
    // They keep their places: their last frames still go to recordings.
    for (const auto& p : places_) {
        if (p->source != nullptr) p->source->stop();
    }
    engine_->end_source(picture_number);
    engine_->drain();
    engine_.reset();
}

std::shared_ptr<face_engine> service::engine() const {
    const std::lock_guard lock(mutex_);
    return engine_;
}

options service::chosen() const {
    const std::lock_guard lock(mutex_);
    return chosen_;
}

media::row_contents service::contents() const {
    return contents_of(engine()->chosen());
}

// Sources are told apart from the engine that they fill: each stops, and goes on where it was.
void service::move_sources(const std::shared_ptr<face_engine>& to) {
    std::vector<served_source*> moved;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& p : places_) {
            if (p->source != nullptr) moved.push_back(p->source.get());
        }
    }
    for (served_source* const s : moved)
        s->stop();
    engine_->drain();
    {
        const std::lock_guard lock(mutex_);
        engine_ = to;
    }
    for (served_source* const s : moved) {
        if (auto started = s->start(to); !started) setup_.note(started.error().message);
    }
}

// Returns the names of their sources. A recording's rows are of one kind, and its summary names the options.
std::vector<std::string> service::end_recordings() {
    std::vector<std::string> names;
    std::vector<std::unique_ptr<recording>> over;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& p : places_) {
            if (p->recorded == nullptr) continue;
            names.push_back(p->source->name());
            over.push_back(std::move(p->recorded));
        }
    }
    over.clear();  // without the lock: they finish their files
    return names;
}

result<void> service::change(const options& chosen) {
    std::vector<std::string> recorded;
    {
        const std::lock_guard change(changes_);
        FACEFLOW_ASSIGN(auto made, make_engine(chosen));
        recorded = end_recordings();
        const auto old = engine();
        move_sources(made);
        old->end_source(picture_number);
        old->drain();
        const std::lock_guard lock(mutex_);
        chosen_ = chosen;
    }
    for (const std::string& name : recorded) {
        if (auto again = record(name, true); !again) setup_.note(again.error().message);
    }
    return {};
}

service::place* service::find(std::string_view name) {
    const auto at =
        std::ranges::find_if(places_, [&](const auto& p) { return p->source != nullptr && p->source->name() == name; });
    return at == places_.end() ? nullptr : at->get();
}

const service::place* service::find(std::string_view name) const {
    return const_cast<service*>(this)->find(name);
}

std::size_t service::free_place() {
    const auto at = std::ranges::find_if(places_, [](const auto& p) { return p->source == nullptr; });
    if (at == places_.end()) {
        places_.push_back(std::make_unique<place>());
        return places_.size() - 1;
    }
    return static_cast<std::size_t>(at - places_.begin());
}

result<served_source*> service::take_place(source_request request) {
    const std::lock_guard lock(mutex_);
    if (find(request.name) != nullptr)
        return fail(errc::invalid_argument, fmt::format("there is a source '{}' already", request.name));
    const std::size_t number = free_place();
    if (number >= max_sources) {
        places_.pop_back();
        return fail(errc::unavailable, fmt::format("the service has {} sources, and no room for more", number));
    }
    place& p = *places_[number];
    p.source =
        std::make_unique<served_source>(std::move(request), static_cast<std::uint32_t>(number), p.line, setup_.note);
    return p.source.get();
}

result<source_report> service::add(source_request request) {
    FACEFLOW_TRY(check_name(request.name));
    if (request.input.empty()) return fail(errc::invalid_argument, "a source needs an input");
    const std::lock_guard change(changes_);
    FACEFLOW_ASSIGN(served_source* const made, take_place(std::move(request)));
    auto started = made->start(engine());
    const std::lock_guard lock(mutex_);
    place& p = *places_[made->number()];
    if (started) return report_of(p);
    p.source.reset();
    return tl::unexpected(std::move(started.error()));
}

result<void> service::remove(std::string_view name) {
    const std::lock_guard change(changes_);
    std::unique_ptr<served_source> ended;  // destroyed without the lock: its last frames still come in
    std::unique_ptr<recording> recorded;   // likewise: it finishes its files
    {
        const std::lock_guard lock(mutex_);
        place* const p = find(name);
        if (p == nullptr) return unknown(name);
        p->newest.reset();
        p->markers.clear();
        ended = std::move(p->source);
        recorded = std::move(p->recorded);
    }
    ended.reset();
    return {};
}

source_report service::report_of(const place& p) const {
    source_report r{p.source->status(), std::nullopt};
    if (p.recorded != nullptr) r.recording = p.recorded->status();
    return r;
}

result<source_report> service::pause(std::string_view name, bool on) {
    const std::lock_guard lock(mutex_);
    const place* const p = find(name);
    if (p == nullptr) return unknown(name);
    p->source->pause(on);
    return report_of(*p);
}

result<source_report> service::rename(std::string_view name, const std::string& to) {
    FACEFLOW_TRY(check_name(to));
    const std::lock_guard lock(mutex_);
    const place* const p = find(name);
    if (p == nullptr) return unknown(name);
    if (name != to && find(to) != nullptr)
        return fail(errc::invalid_argument, fmt::format("there is a source '{}' already", to));
    p->source->rename(to);
    return report_of(*p);
}

result<source_report> service::record(std::string_view name, bool on) {
    const std::lock_guard change(changes_);  // nobody else removes the source, or records it
    FACEFLOW_ASSIGN(auto now, report(name));
    if (now.recording.has_value() == on) return now;
    std::unique_ptr<recording> other;
    if (on) {
        FACEFLOW_ASSIGN(other, start_recording(now.source));
    }
    {
        const std::lock_guard lock(mutex_);
        place* const p = find(name);
        if (p == nullptr) return unknown(name);  // it was renamed meanwhile
        std::swap(p->recorded, other);
        now = report_of(*p);
    }
    other.reset();  // without the lock: it finishes its files
    return now;
}

result<std::unique_ptr<recording>> service::start_recording(const source_status& of) {
    return recording::start({.folder = setup_.recordings,
                             .source = of.name,
                             .input = of.input,
                             .chosen = chosen(),
                             .segment = setup_.segment,
                             .pool = &drawing_,
                             .note = setup_.note});
}

result<served_marker> service::mark(std::string_view name, std::string text) {
    constexpr std::size_t longest = 1'000, most = 1'000;
    if (text.empty() || text.size() > longest)
        return fail(errc::invalid_argument, fmt::format("a marker needs a text of at most {} bytes", longest));
    const std::lock_guard lock(mutex_);
    place* const p = find(name);
    if (p == nullptr) return unknown(name);
    if (p->newest == nullptr) return fail(errc::unavailable, "the source has no frame yet that could be marked");
    if (p->markers.size() >= most) return fail(errc::unavailable, "many markers wait for the source's next frame");
    served_marker m{{std::move(text), p->newest->faces.pts_ns}, p->newest->frame.id.sequence};
    p->markers.push_back(m.what);
    return m;
}

result<source_report> service::report(std::string_view name) const {
    const std::lock_guard lock(mutex_);
    const place* const p = find(name);
    if (p == nullptr) return unknown(name);
    return report_of(*p);
}

std::vector<source_report> service::reports() const {
    std::vector<source_report> all;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& p : places_) {
            if (p->source != nullptr) all.push_back(report_of(*p));
        }
    }
    std::ranges::sort(all, {}, [](const source_report& r) -> const std::string& { return r.source.name; });
    return all;
}

result<frame_pointer> service::newest(std::string_view name) const {
    const std::lock_guard lock(mutex_);
    const place* const p = find(name);
    if (p == nullptr) return unknown(name);
    return p->newest;
}

std::uint64_t service::observe(observer o) {
    const std::lock_guard lock(observers_mutex_);
    observers_.emplace(next_observer_, std::move(o));
    return next_observer_++;
}

void service::unobserve(std::uint64_t which) {
    const std::lock_guard lock(observers_mutex_);
    observers_.erase(which);
}

void service::handle(const host_frame& f, result<frame_faces> faces) {
    if (f.id.source == picture_number) {
        answer_picture(f, std::move(faces));
        return;
    }
    auto made = std::make_shared<served_frame>();
    {
        const std::lock_guard lock(mutex_);
        place* const p = f.id.source < places_.size() ? places_[f.id.source].get() : nullptr;
        if (p == nullptr || p->source == nullptr) return;  // removed meanwhile
        p->source->took(f, faces);
        if (!faces) return;
        made->source = p->source->name();
        made->frame = f;
        made->faces = std::move(*faces);
        made->faces.markers = std::exchange(p->markers, {});
        std::string row = media::ndjson_row(made->faces, made->source, contents_of(engine_->chosen()));
        row.pop_back();
        made->row = std::make_shared<const std::string>(std::move(row));
        p->newest = made;
        if (p->recorded != nullptr) p->recorded->put(made);
    }
    const std::lock_guard lock(observers_mutex_);
    for (const auto& [number, tell] : observers_)
        tell(made);
}

void service::answer_picture(const host_frame& f, result<frame_faces> faces) {
    {
        const std::lock_guard lock(picture_mutex_);
        if (picture_.sequence != f.id.sequence) return;  // nobody waits for it any more
        picture_.answer = std::move(faces);
    }
    picture_done_.notify_all();
}

result<frame_faces> service::faces_of(std::string_view content, std::chrono::milliseconds patience) {
    const auto end = std::chrono::steady_clock::now() + patience;
    FACEFLOW_ASSIGN(const auto file, as_file(content));
    auto decoded = media::decode_picture(fmt::format("/proc/self/fd/{}", file.get()), {});
    if (!decoded) return fail(errc::corrupt, "the content is no picture that faceflow reads");
    const std::unique_lock turn(picture_turn_, end);
    if (!turn.owns_lock()) return fail(errc::timeout, "other pictures were before this one: try again later");
    host_frame f;
    f.picture = decoded->mapped.picture;
    f.owner = decoded->mapped.owner;
    f.still = true;
    f.captured = std::chrono::steady_clock::now();
    {
        const std::lock_guard lock(picture_mutex_);
        f.id = {picture_number, pictures_++};
        picture_ = {f.id.sequence, std::nullopt};
    }
    FACEFLOW_ASSIGN(const auto overtaken, engine()->submit(std::move(f)));
    static_cast<void>(overtaken);  // of a picture that nobody waits for any more
    std::unique_lock lock(picture_mutex_);
    if (!picture_done_.wait_until(lock, end, [this] { return picture_.answer.has_value(); }))
        return fail(errc::timeout, "the picture took too long: the engine is busy");
    return std::move(*picture_.answer);
}

}  // namespace faceflow::internal::serve
