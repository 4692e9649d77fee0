#include "flow/models.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>

namespace faceflow::flow {
namespace {

using shape = std::vector<std::int64_t>;
using inference::session;

result<void> expect(bool ok, const inference::model_entry& model, const shape& got, std::string_view wanted) {
    if (ok) return {};
    return fail(errc::corrupt,
                fmt::format("the model {} gives an output of [{}] where {} is wanted: it is not the model that "
                            "the catalogue means; `faceflow models verify` checks the files",
                            model.file, fmt::join(got, ", "), wanted));
}

struct loaded {
    inference::model_entry entry;
    std::shared_ptr<session> model;
    std::string sha256;
    std::filesystem::path file;
};

result<loaded> load(const inference::model_store& store, std::string_view id, std::shared_ptr<inference::runtime> on,
                    inference::threading how) {
    auto entry = store.entry(id);
    if (!entry) return tl::unexpected(std::move(entry.error()));
    auto path = store.find(*entry);
    if (!path) return tl::unexpected(std::move(path.error()));
    auto sha = inference::sha256_of(*path);
    if (!sha) return tl::unexpected(std::move(sha.error()));
    auto model = session::load(std::move(on), *path, how);
    if (!model) return tl::unexpected(std::move(model.error()));
    return loaded{std::move(*entry), std::move(*model), std::move(*sha), std::move(*path)};
}

std::size_t output_named(const session& s, std::string_view part) {
    const auto at = std::find_if(s.outputs().begin(), s.outputs().end(),
                                 [&](const auto& o) { return o.name.find(part) != std::string::npos; });
    return static_cast<std::size_t>(at - s.outputs().begin());
}

result<void> check_detector(const model_set& m, const inference::model_entry& entry) {
    const auto& shapes = m.detector_shapes;
    const auto dims = [&](std::string_view part, const shape& tail) -> result<void> {
        const auto i = output_named(m.detector->any(), part);
        if (i >= shapes.size()) return expect(false, entry, {}, fmt::format("an output named {}", part));
        const bool ok =
            shapes[i].size() == tail.size() + 1 && std::equal(tail.begin(), tail.end(), shapes[i].begin() + 1);
        return expect(ok, entry, shapes[i], fmt::format("{} of [1, {}]", part, fmt::join(tail, ", ")));
    };
    if (m.kind == vision::detector_kind::blazeface) {
        if (auto r = dims("boxes", {2304, 16}); !r) return r;
        return dims("scores", {2304});
    }
    for (const int stride : {32, 16, 8}) {
        const std::int64_t rows = m.detect_height / stride, columns = m.detect_width / stride;
        if (auto r = dims(fmt::format("cls_prob_reshape_stride{}", stride), {4, rows, columns}); !r) return r;
        if (auto r = dims(fmt::format("bbox_pred_stride{}", stride), {8, rows, columns}); !r) return r;
        if (auto r = dims(fmt::format("landmark_pred_stride{}", stride), {20, rows, columns}); !r) return r;
    }
    return {};
}

result<void> check_mesh(const session& mesh, const inference::model_entry& entry) {
    auto shapes = mesh.output_shapes({1, 3, mesh_input_size, mesh_input_size});
    if (!shapes) return tl::unexpected(std::move(shapes.error()));
    const auto landmarks = output_named(mesh, "landmarks"), score = output_named(mesh, "score");
    if (landmarks >= shapes->size() || score >= shapes->size()) {
        return expect(false, entry, {}, "an output named landmarks and one named score");
    }
    if (auto r =
            expect((*shapes)[landmarks] == shape{1, landmark_count, 3}, entry, (*shapes)[landmarks], "[1, 478, 3]");
        !r)
        return r;
    return expect((*shapes)[score] == shape{1, 1}, entry, (*shapes)[score], "[1, 1]");
}

}  // namespace

result<std::shared_ptr<session>> placed_model::for_batch(std::int64_t n) {
    if (!load_) return first_;
    auto& its = by_batch_[n];
    if (its != nullptr) return its;
    if (by_batch_.size() == 1) return its = first_;
    auto another = load_(*first_);
    if (another) its = *another;
    return another;
}

vision::detector_output model_set::outputs_at(const std::vector<const float*>& addresses) const {
    vision::detector_output o;
    o.kind = kind;
    if (kind == vision::detector_kind::blazeface) {
        o.levels = 1;
        o.level[0] = {addresses[output_named(detector->any(), "scores")],
                      addresses[output_named(detector->any(), "boxes")],
                      nullptr,
                      48,
                      48,
                      4};
        return o;
    }
    o.levels = 3;
    for (int i = 0; i < 3; ++i) {
        const int stride = 32 >> i;
        o.level[i] = {addresses[output_named(detector->any(), fmt::format("cls_prob_reshape_stride{}", stride))],
                      addresses[output_named(detector->any(), fmt::format("bbox_pred_stride{}", stride))],
                      addresses[output_named(detector->any(), fmt::format("landmark_pred_stride{}", stride))],
                      detect_width / stride,
                      detect_height / stride,
                      static_cast<float>(stride)};
    }
    return o;
}

namespace {

// For one picture, for a usual batch, for the largest.
inference::tensorrt_plan plan_for(const session& model, std::int32_t height, std::int32_t width, std::int32_t usual,
                                  std::int32_t most) {
    const auto batch_of = [&](std::int32_t n) { return shape{n, 3, height, width}; };
    inference::tensorrt_plan p;
    p.input = model.inputs().front().name;
    p.smallest = batch_of(1);
    p.usual = batch_of(std::min(usual, most));
    p.largest = batch_of(most);
    return p;
}

// Whether TensorRT is to run the model in `file`, and then from which folder.
result<bool> find_engines(inference::tensorrt_plan& p, const accelerator& by, const std::filesystem::path& file,
                          const inference::runtime& runtime, const device& on) {
    if (by.inference == "cuda") return false;
    const bool insists = by.inference == "tensorrt";
    const auto version = inference::tensorrt_version();
    if (!version) return insists ? tl::unexpected(version.error()) : result<bool>(false);
    const auto sha = inference::sha256_of(file);
    if (!sha) return tl::unexpected(sha.error());
    const std::string profile = fmt::format("{}-{}-{}", p.smallest.front(), p.usual.front(), p.largest.front());
    p.half = by.half;
    p.folder = inference::engine_folder(by.engines, {on.architecture(), *version, *sha, profile, by.half});
    if (!insists && !inference::has_engines(p.folder)) return false;
    if (auto usable = inference::check_tensorrt(runtime); !usable)
        return insists ? tl::unexpected(usable.error()) : result<bool>(false);
    return true;
}

}  // namespace

result<model_set> model_set::on_streams(stream& of_detector, stream& of_mesh, const batch_limits& largest) const {
    model_set m = *this;
    if (of_detector.owner().computes_on_host()) return m;
    constexpr std::int32_t usual_frames = 4, usual_faces = 4;
    struct placing {
        std::shared_ptr<placed_model>& model;
        const std::filesystem::path& file;
        stream& home;
        std::int32_t height, width, usual, most;
    } all[] = {{m.detector, detector_file, of_detector, detect_height, detect_width, usual_frames, largest.frames},
               {m.mesh, mesh_file, of_mesh, mesh_input_size, mesh_input_size, usual_faces, largest.faces}};
    const session* beside = nullptr;
    for (placing& p : all) {
        if (p.model == nullptr) continue;  // not this process's
        auto plan = plan_for(p.model->any(), p.height, p.width, p.usual, p.most);
        const auto by_tensorrt = find_engines(plan, by, p.file, *runtime, p.home.owner());
        if (!by_tensorrt) return tl::unexpected(by_tensorrt.error());
        const inference::placement where{
            .home = &p.home, .by_tensorrt = *by_tensorrt ? &plan : nullptr, .tf32 = by.tf32, .beside = beside};
        auto first = session::load(runtime, p.file, inference::threading::caller, where);
        if (!first) return tl::unexpected(std::move(first.error()));
        if (*by_tensorrt) {
            p.model = std::make_shared<placed_model>(std::move(*first));
            m.engine_folders.push_back(std::move(plan.folder));
        } else {
            p.model = std::make_shared<placed_model>(std::move(*first), [on = runtime, file = p.file, home = &p.home,
                                                                         tf32 = by.tf32](const session& another) {
                return session::load(on, file, inference::threading::caller,
                                     {.home = home, .tf32 = tf32, .beside = &another});
            });
        }
        if (&of_detector == &of_mesh) beside = &p.model->any();
    }
    if (fine != nullptr) {
        auto closer = std::make_shared<model_set>(*fine);
        closer->detector = m.detector;
        m.fine = std::move(closer);
    }
    return m;
}

std::vector<std::string> model_set::notes() const {
    std::vector<std::string> all;
    for (const auto& [model, file] : {std::pair{detector.get(), &detector_file}, {mesh.get(), &mesh_file}}) {
        if (model == nullptr || model->any().strays().empty()) continue;
        const auto& strays = model->any().strays();
        all.push_back(fmt::format("{}: {} nodes run on the CPU, with transfers that are not counted: {}",
                                  file->filename().string(), strays.size(), fmt::join(strays, ", ")));
    }
    return all;
}

namespace {

std::filesystem::path usual_engine_folder() {
    const char* const cache = std::getenv("XDG_CACHE_HOME");
    if (cache != nullptr && *cache == '/') return std::filesystem::path(cache) / "faceflow/engines";
    const char* const home = std::getenv("HOME");
    return std::filesystem::path(home != nullptr ? home : "/tmp") / ".cache/faceflow/engines";
}

// What a GPU runs in place of a model: the variant made for GPUs, where there is one.
std::filesystem::path variant_for_gpus(const inference::model_store& store, const inference::model_entry& entry,
                                       const std::filesystem::path& otherwise) {
    const auto gpu = store.entry(entry.id + "_gpu");
    const auto path = gpu ? store.find(*gpu) : tl::unexpected(gpu.error());
    return path ? *path : otherwise;
}

result<void> load_detector(model_set& m, const options& o, const inference::model_store& store,
                           const std::shared_ptr<inference::runtime>& on, inference::threading how) {
    const bool retinaface = o.detector == detector::retinaface;
    m.kind = retinaface ? vision::detector_kind::retinaface : vision::detector_kind::blazeface;
    m.detect_width = retinaface ? o.detect_width : 192;
    m.detect_height = retinaface ? o.detect_height : 192;
    m.detect_scale = retinaface ? 255.0f : 2.0f;
    m.detect_bias = retinaface ? 0.0f : -1.0f;
    auto found = load(store, retinaface ? "retinaface_mnet25" : "face_detection_full_range", on, how);
    if (!found) return tl::unexpected(std::move(found.error()));
    m.runtime = on;
    m.detector = std::make_shared<placed_model>(found->model);
    m.detector_file = variant_for_gpus(store, found->entry, found->file);
    auto shapes = found->model->output_shapes({1, 3, m.detect_height, m.detect_width});
    if (!shapes) return tl::unexpected(std::move(shapes.error()));
    m.detector_shapes = std::move(*shapes);
    if (auto r = check_detector(m, found->entry); !r) return r;
    if (retinaface && o.detect_fine_width > 0) {
        auto closer = std::make_shared<model_set>(m);
        closer->detect_width = o.detect_fine_width;
        closer->detect_height = o.detect_fine_height;
        auto its_shapes = found->model->output_shapes({1, 3, closer->detect_height, closer->detect_width});
        if (!its_shapes) return tl::unexpected(std::move(its_shapes.error()));
        closer->detector_shapes = std::move(*its_shapes);
        if (auto r = check_detector(*closer, found->entry); !r) return r;
        m.fine = std::move(closer);
    }
    m.used.push_back({found->entry.id, found->entry.file, found->sha256});
    return {};
}

result<void> load_mesh(model_set& m, const inference::model_store& store, const std::shared_ptr<inference::runtime>& on,
                       inference::threading how) {
    auto mesh = load(store, "face_landmark_with_attention", on, how);
    if (!mesh) return tl::unexpected(std::move(mesh.error()));
    m.runtime = on;
    m.mesh = std::make_shared<placed_model>(mesh->model);
    m.mesh_file = variant_for_gpus(store, mesh->entry, mesh->file);
    if (auto r = check_mesh(*mesh->model, mesh->entry); !r) return r;
    m.used.push_back({mesh->entry.id, mesh->entry.file, mesh->sha256});
    return {};
}

}  // namespace

result<model_set> load_models(const options& o, const inference::model_store& store,
                              const std::shared_ptr<inference::runtime>& on, inference::threading how,
                              model_parts parts) {
    model_set m;
    m.by = {o.inference, o.precision == "fp16", o.precision == "tf32",
            o.engines.empty() ? usual_engine_folder() : o.engines};
    if (parts.detector) {
        if (auto r = load_detector(m, o, store, on, how); !r) return tl::unexpected(std::move(r.error()));
    }
    if (parts.mesh) {
        if (auto r = load_mesh(m, store, on, how); !r) return tl::unexpected(std::move(r.error()));
    }
    return m;
}

}  // namespace faceflow::flow
