// What Go cannot do itself: call the function pointers of ONNX Runtime's API
// table. One line a function, in the order of their use.
#pragma once
#include "onnxruntime_c_api.h"

static inline const char *capi_version(void *get_base) {
  return ((const OrtApiBase *(*)(void))get_base)()->GetVersionString();
}
static inline const OrtApi *capi_table(void *get_base, uint32_t version) {
  return ((const OrtApiBase *(*)(void))get_base)()->GetApi(version);
}

// Status.
static inline int capi_code(const OrtApi *a, OrtStatus *s) { return a->GetErrorCode(s); }
static inline const char *capi_message(const OrtApi *a, OrtStatus *s) { return a->GetErrorMessage(s); }
static inline void capi_release_status(const OrtApi *a, OrtStatus *s) { a->ReleaseStatus(s); }

// Environment.
static inline OrtStatus *capi_env(const OrtApi *a, const char *id, OrtEnv **out) { return a->CreateEnv(ORT_LOGGING_LEVEL_FATAL, id, out); }
static inline void capi_release_env(const OrtApi *a, OrtEnv *e) { a->ReleaseEnv(e); }
static inline OrtStatus *capi_host_memory(const OrtApi *a, OrtMemoryInfo **out) { return a->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, out); }
static inline void capi_release_memory(const OrtApi *a, OrtMemoryInfo *m) { a->ReleaseMemoryInfo(m); }

// Session options.
static inline OrtStatus *capi_options(const OrtApi *a, OrtSessionOptions **out) { return a->CreateSessionOptions(out); }
static inline void capi_release_options(const OrtApi *a, OrtSessionOptions *o) { a->ReleaseSessionOptions(o); }
static inline OrtStatus *capi_level(const OrtApi *a, OrtSessionOptions *o, int level) { return a->SetSessionGraphOptimizationLevel(o, (GraphOptimizationLevel)level); }
static inline OrtStatus *capi_threads(const OrtApi *a, OrtSessionOptions *o, int n) { return a->SetIntraOpNumThreads(o, n); }
static inline OrtStatus *capi_arena(const OrtApi *a, OrtSessionOptions *o, int on) { return on ? a->EnableCpuMemArena(o) : a->DisableCpuMemArena(o); }
static inline OrtStatus *capi_no_pattern(const OrtApi *a, OrtSessionOptions *o) { return a->DisableMemPattern(o); }
static inline OrtStatus *capi_severity(const OrtApi *a, OrtSessionOptions *o, int level) { return a->SetSessionLogSeverityLevel(o, level); }
static inline OrtStatus *capi_profile(const OrtApi *a, OrtSessionOptions *o, const char *prefix) { return a->EnableProfiling(o, prefix); }
static inline OrtStatus *capi_entry(const OrtApi *a, OrtSessionOptions *o, const char *key, const char *value) { return a->AddSessionConfigEntry(o, key, value); }

// Session.
static inline OrtStatus *capi_session(const OrtApi *a, OrtEnv *e, const void *model, size_t n, OrtSessionOptions *o, OrtSession **out) {
  return a->CreateSessionFromArray(e, model, n, o, out);
}
static inline void capi_release_session(const OrtApi *a, OrtSession *s) { a->ReleaseSession(s); }
static inline OrtStatus *capi_count(const OrtApi *a, OrtSession *s, int outputs, size_t *n) {
  return outputs ? a->SessionGetOutputCount(s, n) : a->SessionGetInputCount(s, n);
}
static inline OrtStatus *capi_name(const OrtApi *a, OrtSession *s, int outputs, size_t i, char **name) {
  OrtAllocator *heap;
  OrtStatus *status = a->GetAllocatorWithDefaultOptions(&heap);
  if (status) return status;
  return outputs ? a->SessionGetOutputName(s, i, heap, name) : a->SessionGetInputName(s, i, heap, name);
}
static inline OrtStatus *capi_free(const OrtApi *a, char *name) {
  OrtAllocator *heap;
  OrtStatus *status = a->GetAllocatorWithDefaultOptions(&heap);
  return status ? status : a->AllocatorFree(heap, name);
}
static inline OrtStatus *capi_type(const OrtApi *a, OrtSession *s, int outputs, size_t i, OrtTypeInfo **t) {
  return outputs ? a->SessionGetOutputTypeInfo(s, i, t) : a->SessionGetInputTypeInfo(s, i, t);
}
static inline void capi_release_type(const OrtApi *a, OrtTypeInfo *t) { a->ReleaseTypeInfo(t); }
static inline OrtStatus *capi_tensor_type(const OrtApi *a, OrtTypeInfo *t, const OrtTensorTypeAndShapeInfo **out) { return a->CastTypeInfoToTensorInfo(t, out); }

// Tensors.
static inline OrtStatus *capi_element(const OrtApi *a, const OrtTensorTypeAndShapeInfo *t, ONNXTensorElementDataType *out) { return a->GetTensorElementType(t, out); }
static inline OrtStatus *capi_rank(const OrtApi *a, const OrtTensorTypeAndShapeInfo *t, size_t *n) { return a->GetDimensionsCount(t, n); }
static inline OrtStatus *capi_dims(const OrtApi *a, const OrtTensorTypeAndShapeInfo *t, int64_t *dims, size_t n) { return a->GetDimensions(t, dims, n); }
static inline OrtStatus *capi_symbols(const OrtApi *a, const OrtTensorTypeAndShapeInfo *t, const char **names, size_t n) { return a->GetSymbolicDimensions(t, names, n); }
static inline OrtStatus *capi_value_type(const OrtApi *a, OrtValue *v, OrtTensorTypeAndShapeInfo **out) { return a->GetTensorTypeAndShape(v, out); }
static inline void capi_release_value_type(const OrtApi *a, OrtTensorTypeAndShapeInfo *t) { a->ReleaseTensorTypeAndShapeInfo(t); }
static inline OrtStatus *capi_value(const OrtApi *a, OrtMemoryInfo *m, void *data, size_t bytes, const int64_t *dims, size_t rank, int type, OrtValue **out) {
  return a->CreateTensorWithDataAsOrtValue(m, data, bytes, dims, rank, (ONNXTensorElementDataType)type, out);
}
static inline OrtStatus *capi_data(const OrtApi *a, OrtValue *v, void **out) { return a->GetTensorMutableData(v, out); }
static inline void capi_release_value(const OrtApi *a, OrtValue *v) { a->ReleaseValue(v); }

// Run.
static inline OrtStatus *capi_run_options(const OrtApi *a, OrtRunOptions **out) { return a->CreateRunOptions(out); }
static inline OrtStatus *capi_terminate(const OrtApi *a, OrtRunOptions *o) { return a->RunOptionsSetTerminate(o); }
static inline void capi_release_run_options(const OrtApi *a, OrtRunOptions *o) { a->ReleaseRunOptions(o); }
static inline OrtStatus *capi_run(const OrtApi *a, OrtSession *s, OrtRunOptions *o, char **in, OrtValue **ins, size_t n, char **out, size_t m, OrtValue **outs) {
  return a->Run(s, o, (const char *const *)in, (const OrtValue *const *)ins, n, (const char *const *)out, m, outs);
}
