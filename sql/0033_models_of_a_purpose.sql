-- Models of each purpose that few models have, by provider and id: a page reads its own rows, however many models there
-- are. Built as those of 0030.

DROP INDEX CONCURRENTLY IF EXISTS provider_model_embedding_idx;
CREATE INDEX CONCURRENTLY provider_model_embedding_idx
    ON provider_model (provider_id, model_id) WHERE capabilities @> '{"embedding": true}';
DROP INDEX CONCURRENTLY IF EXISTS provider_model_rerank_idx;
CREATE INDEX CONCURRENTLY provider_model_rerank_idx
    ON provider_model (provider_id, model_id) WHERE capabilities @> '{"rerank": true}';
DROP INDEX CONCURRENTLY IF EXISTS provider_model_moderation_idx;
CREATE INDEX CONCURRENTLY provider_model_moderation_idx
    ON provider_model (provider_id, model_id) WHERE capabilities @> '{"moderation": true}';
DROP INDEX CONCURRENTLY IF EXISTS provider_model_image_generation_idx;
CREATE INDEX CONCURRENTLY provider_model_image_generation_idx
    ON provider_model (provider_id, model_id) WHERE capabilities @> '{"image_generation": true}';
DROP INDEX CONCURRENTLY IF EXISTS provider_model_video_generation_idx;
CREATE INDEX CONCURRENTLY provider_model_video_generation_idx
    ON provider_model (provider_id, model_id) WHERE capabilities @> '{"video_generation": true}';
DROP INDEX CONCURRENTLY IF EXISTS provider_model_audio_transcription_idx;
CREATE INDEX CONCURRENTLY provider_model_audio_transcription_idx
    ON provider_model (provider_id, model_id) WHERE capabilities @> '{"audio_transcription": true}';
DROP INDEX CONCURRENTLY IF EXISTS provider_model_text_to_speech_idx;
CREATE INDEX CONCURRENTLY provider_model_text_to_speech_idx
    ON provider_model (provider_id, model_id) WHERE capabilities @> '{"text_to_speech": true}';
